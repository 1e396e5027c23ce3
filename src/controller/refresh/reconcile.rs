//! The reconciler of `ExternalCollectionRefresh`: when it runs and what follows from how a pass ends.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{outside::Outside, pass::pass, subject::Subject};
use crate::{
    api::ExternalCollectionRefresh,
    cluster::{packed::Packed, status::WriteError, watch},
    controller::{Context, Error},
    object::Key,
    refresh::{Desired, Recorded, Wake, is_due},
    turns::{Member, fence::Due},
};

/// The pause before deciding again on what somebody else wrote.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);

/// Hears of refreshes that come and go.
pub(crate) struct Lifecycle {
    context: Arc<Context>,
    scope: Option<String>,
    /// The runs that are due as the first listing shows them, by uid, until it is complete.
    due: Mutex<Option<HashMap<String, Due>>>,
}

impl Lifecycle {
    /// Of the refreshes of `scope`, before any has been told.
    pub(crate) fn new(context: Arc<Context>, scope: &Option<String>) -> Self {
        Self { context, scope: scope.clone(), due: Mutex::new(Some(HashMap::new())) }
    }

    /// Takes note of what is due before everything is listed.
    fn note_due(&self, Member { uid, key, connection, want }: Member<'_>, version: &str, recorded: &Recorded) {
        if let Some(due) = &mut *self.due.lock() {
            due.remove(uid);
            if is_due(want, recorded) {
                due.insert(uid.to_owned(), Due::new(uid, key.clone(), version, connection.clone(), want, recorded));
            }
        }
    }
}

impl watch::Lifecycle<ExternalCollectionRefresh> for Lifecycle {
    fn seen(&self, key: &Key, object: &Packed<ExternalCollectionRefresh>) -> bool {
        let (uid, version) = (object.uid(), object.resource_version());
        let volatile = &self.context.volatile;
        if !volatile.memory.is_news(uid, version) {
            return true;
        }
        let Ok(refresh) = object.object() else { return true };
        let (want, recorded) = (Desired::of(&refresh), Recorded::of(refresh.status.as_ref()));
        self.context.metrics.refreshes.observe(uid, key, &recorded);
        let now = self.context.clock.now();
        let member = Member { uid, key, connection: &refresh.connection(), want: &want };
        self.note_due(member, version, &recorded);
        volatile.seen(member, version, &recorded, now)
    }

    fn gone(&self, uid: &str, key: &Key) {
        if let Some(due) = &mut *self.due.lock() {
            due.remove(uid);
        }
        self.context.servers.gone(key);
        self.context.scout.forget(key);
        forget(&self.context, uid);
    }

    fn restored(&self) {
        self.context.volatile.memory.restored();
    }

    fn listed(&self) {
        // What comes later can only have been claimed by a process that leads.
        if let Some(due) = self.due.lock().take() {
            self.context.refreshes_listed(&self.scope, due.into_values());
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
    // Deleted meanwhile: what the pass has taken since the deletion was told would be held forever.
    if !context.exists(object) {
        forget(context, object.metadata.uid.as_deref().unwrap_or_default());
    }
    ended
}
