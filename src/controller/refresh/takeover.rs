//! Ends what is withheld for the sake of a predecessor's late claims, once none can land any more.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use kube::Api;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    api::ExternalCollectionRefresh,
    cluster::{packed::Shown, status},
    controller::Context,
    object::Key,
    refresh::{Desired, Recorded},
    turns::Member,
};

/// The pause before what could not be read is read again.
const AGAIN: Duration = Duration::from_secs(5);
/// How many are read at a time: one that is not answered must not keep the others.
const AT_ONCE: usize = 8;

/// Comes to its end when nothing is withheld any more.
pub(crate) async fn watch_over(context: Arc<Context>) {
    let fence = &context.volatile.turns.fence;
    let Some(late) = fence.late() else { return };
    sleep_until(late).await;
    loop {
        let unread = futures::stream::iter(fence.unread(Instant::now()));
        unread.for_each_concurrent(AT_ONCE, |(uid, key)| read(&context, uid, key)).await;
        if fence.is_over() {
            return;
        }
        sleep(AGAIN).await;
    }
}

/// Reads one object as it is now, past every cache.
async fn read(context: &Context, uid: String, key: Key) {
    let fence = &context.volatile.turns.fence;
    let api: Api<Shown<ExternalCollectionRefresh>> = Api::namespaced(context.client.clone(), &key.namespace);
    let object = match status::read(&api, &key.name).await {
        Ok(kept) => kept.object().map_err(|error| error.to_string()),
        Err(status::WriteError::Gone) => return fence.announced(&uid),
        Err(error) => Err(error.to_string()),
    };
    match object {
        Ok(object) if object.metadata.uid.as_deref() == Some(&uid) => {
            let (want, recorded) = (Desired::of(&object), Recorded::of(object.status.as_ref()));
            let member = Member { uid: &uid, key: &key, connection: &object.connection(), want: &want };
            let version = object.metadata.resource_version.as_deref().unwrap_or_default();
            context.volatile.turns.seen(member, version, &recorded, context.clock.now());
            fence.read(&uid);
        }
        // It was re-created, and the new one was never due to the predecessor.
        Ok(_) => fence.announced(&uid),
        Err(error) => tracing::warn!(
            namespace = key.namespace,
            name = key.name,
            error,
            "the refresh cannot be read: refreshes that may use the same collection wait until it can; retrying in {} s",
            AGAIN.as_secs(),
        ),
    }
}
