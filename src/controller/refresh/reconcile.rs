//! The reconciler of `ExternalCollectionRefresh`: when it runs and what follows from how a pass ends.

use std::{sync::Arc, time::Duration};

use super::{memory::Version, outside::Outside, pass::pass, subject::Subject};
use crate::{
    api::ExternalCollectionRefresh,
    cluster::{
        packed::Packed,
        status::WriteError,
        watch::{self, Asks},
    },
    controller::{Context, Error},
    object::Key,
    refresh::{Desired, Recorded, Wake},
    turns::Member,
};

/// The pause before deciding again on what somebody else wrote.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);

/// Hears of refreshes that come and go.
pub(crate) struct Lifecycle {
    context: Arc<Context>,
    scope: Option<String>,
}

impl Lifecycle {
    /// Of the refreshes of `scope`, before any has been told.
    pub(crate) fn new(context: Arc<Context>, scope: &Option<String>) -> Self {
        Self { context, scope: scope.clone() }
    }
}

impl watch::Lifecycle<ExternalCollectionRefresh> for Lifecycle {
    fn seen(&self, key: &Key, object: &Packed<ExternalCollectionRefresh>) -> Asks {
        let (uid, version) = (object.uid(), object.resource_version());
        let volatile = &self.context.volatile;
        let news = volatile.memory.shown(uid, version);
        if news == Version::Known {
            return Asks::IfChanged;
        }
        let Ok(refresh) = object.object() else { return Asks::IfChanged };
        let (want, recorded) = (Desired::of(&refresh), Recorded::of(refresh.status.as_ref()));
        self.context.metrics.refreshes.observe(uid, key, &recorded);
        let now = self.context.clock.now();
        let member = Member { uid, key, connection: &refresh.connection(), want: &want };
        volatile.turns.fence.shown(&self.scope, member, version, &recorded);
        match (volatile.seen(member, version, &recorded, now), news) {
            (false, _) => Asks::Never,
            (true, Version::Foreign) => Asks::Always,
            // What this process has written of late may be shown before it is answered.
            (true, Version::News | Version::Known) => Asks::IfChanged,
        }
    }

    fn gone(&self, uid: &str, key: &Key) {
        self.context.servers.gone(key);
        self.context.scout.forget(key);
        forget(&self.context, uid);
    }

    fn restored(&self) {
        self.context.volatile.memory.restored();
    }

    fn listed(&self) {
        if let Some(due) = self.context.volatile.turns.fence.listed(&self.scope) {
            let scope = self.scope.as_deref().unwrap_or("all namespaces");
            tracing::info!(due, "the refreshes in {scope} are listed");
        }
    }
}

/// Frees all that is held for an object that is gone.
fn forget(context: &Context, uid: &str) {
    if let Some((connection, refresh)) = context.volatile.forget(uid) {
        context.servers.forget(&connection, &refresh);
    }
    context.metrics.refreshes.forget(uid);
}

/// One pass over a refresh.
///
/// # Errors
/// When the API server does not take a status; everything else is a value.
pub(crate) async fn reconcile(triggered: Arc<ExternalCollectionRefresh>, context: Arc<Context>) -> Result<Wake, Error> {
    match pass_over(&triggered, &context).await {
        Ok(wake) => Ok(wake),
        // A deletion event frees what was held for an object that is gone.
        Err(WriteError::Gone) => Ok(Wake::OnChange),
        Err(WriteError::Conflict) => Ok(Wake::After(AFTER_CONFLICT)),
        Err(error @ (WriteError::Refused(_) | WriteError::Unanswered(_))) => Err(error.into()),
    }
}

/// One pass over the newest that is known of `triggered`.
pub(in crate::controller) async fn pass_over(
    triggered: &ExternalCollectionRefresh,
    context: &Context,
) -> Result<Wake, WriteError> {
    // Memory before store: the memory lets go of a status only once the store has it, so in this order nothing is missed.
    let written =
        context.volatile.memory.with(triggered.metadata.uid.as_deref().unwrap_or_default(), |r| r.newest.clone());
    let version = triggered.metadata.resource_version.as_deref();
    let newer = context.stored(triggered).filter(|stored| Some(stored.resource_version()) != version);
    let newer = newer.and_then(|stored| stored.object().ok());
    let object = newer.as_ref().unwrap_or(triggered);
    let ended = pass(Subject::of(object), written, &context.volatile, &Outside::of(object, context)).await;
    // Deleted meanwhile: what the pass has taken since the deletion was told would be held forever, and so would a failure.
    if !context.exists(object) {
        forget(context, object.metadata.uid.as_deref().unwrap_or_default());
        return Err(WriteError::Gone);
    }
    ended
}
