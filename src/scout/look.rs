//! One look, from its beginning to what it leaves.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::time::{Instant, timeout};

use super::{
    Shared,
    aim::{Aim, Seen},
    flights::Landing,
    port::{Blind, Plan, Sight, Sighting, What},
    site::Site,
    sources::Sources,
};
use crate::{catalogs::milvus_source, object::Key};

/// The longest question, whatever its store, its catalog or Milvus allows itself.
const LONGEST: Duration = Duration::from_mins(3);

/// How long a look waits to know what its connection allows: the operator may have just begun.
const KNOWN_BY: Duration = Duration::from_secs(30);

impl Shared {
    /// Looks, keeps what was found and tells the refresh.
    pub(super) async fn look(self: Arc<Self>, refresh: Key, connection: Key, plan: Plan, not_before: Instant) {
        let began = Instant::now();
        let site = self.sites.of(&connection);
        let sources = timeout(KNOWN_BY, site.sources()).await;
        let (began, found) = match &sources {
            Ok(sources) => self.see(&site, sources, &connection, &plan, not_before).await,
            Err(_) => (began, Err(self.unasked(Blind::unknown(&connection)))),
        };
        // Perhaps because of what was wrong with them.
        let have_changed = match (&sources, site.known()) {
            (Ok(then), Some(now)) => !Arc::ptr_eq(then, &now),
            (then, now) => then.is_ok() != now.is_some(),
        };
        self.keep(&refresh, began, found, have_changed);
        self.surroundings.changed(refresh);
    }

    /// Keeps what the look that this task is has found, unless it was forgotten meanwhile.
    fn keep(&self, refresh: &Key, began: Instant, found: Result<Sight, Blind>, have_changed: bool) {
        let mut looks = self.looks.lock();
        let Some(look) = looks.get_mut(refresh) else { return };
        let own = look.under_way.take_if(|task| task.abort_handle().id() == tokio::task::id());
        if own.is_none() {
            return;
        }
        if found.is_err() && have_changed {
            (look.last, look.failures) = (None, 0);
            return;
        }
        look.failures = if found.is_err() { look.failures.saturating_add(1) } else { 0 };
        look.last = Some(Sighting { began, failures: look.failures, found });
    }

    async fn see(
        self: &Arc<Self>,
        site: &Arc<Site>,
        sources: &Sources,
        connection: &Key,
        plan: &Plan,
        not_before: Instant,
    ) -> (Instant, Result<Sight, Blind>) {
        let began = Instant::now();
        let aim = match self.aim(site, sources, connection, plan).await {
            Ok(aim) => aim,
            Err(blind) => return (began, Err(self.unasked(blind))),
        };
        let (began, found) = self.ask(site, connection, aim, not_before).await;
        let sight = found.and_then(|seen| match seen {
            Seen::Objects(snapshot) => Ok(Sight::Objects(snapshot)),
            Seen::Table(table) => {
                let source = milvus_source(&table.metadata_location, sources.endpoint_of(&table.metadata_location))?;
                Ok(Sight::Table { table, source })
            }
        });
        (began, sight)
    }

    /// Whom to ask: where the refresh brings no source along, Milvus knows it.
    async fn aim(&self, site: &Site, sources: &Sources, connection: &Key, plan: &Plan) -> Result<Aim, Blind> {
        match (&plan.what, &plan.source) {
            (What::Iceberg { catalog, ask }, _) => sources.table(connection, catalog, ask),
            (What::Objects { format, .. }, Some(source)) => {
                sources.objects(connection, source, format.as_deref(), &plan.what)
            }
            (What::Objects { .. }, None) => {
                let (database, name) = &plan.collection;
                let describing = within_limits(async {
                    let described = self.surroundings.describe(connection, database, name).await;
                    described.ok_or_else(|| Blind::not_ready(connection))?.map_err(|error| Blind::undescribed(&error))
                });
                let described = site.in_turn(describing).await?;
                if described.source.is_empty() {
                    return Err(Blind::sourceless());
                }
                let format = Some(described.format.as_str()).filter(|format| !format.is_empty());
                sources.objects(connection, &described.source, format, &plan.what)
            }
        }
    }

    /// Asks, or waits for the answer to somebody else's question.
    fn ask(self: &Arc<Self>, site: &Arc<Site>, connection: &Key, aim: Aim, not_before: Instant) -> Landing {
        let (shared, site, asked) = (self.clone(), site.clone(), aim.clone());
        self.flights.join((connection.clone(), aim), not_before, move |began| async move {
            let asking = async { (*began.get_or_init(Instant::now), within_limits(asked.ask()).await) };
            let (began, found) = site.in_turn(asking).await;
            let result = found.as_ref().map(drop).map_err(|blind| blind.reason);
            shared.surroundings.checked(result, Some(began.elapsed()));
            (began, found)
        })
    }

    /// A look has ended before anybody was asked.
    fn unasked(&self, blind: Blind) -> Blind {
        self.surroundings.checked(Err(blind.reason), None);
        blind
    }
}

/// What was answered, unless that takes too long or goes wrong here.
async fn within_limits<T>(asking: impl Future<Output = Result<T, Blind>>) -> Result<T, Blind> {
    match timeout(LONGEST, AssertUnwindSafe(asking).catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Blind::panicked()),
        Err(_) => Err(Blind::late(LONGEST)),
    }
}
