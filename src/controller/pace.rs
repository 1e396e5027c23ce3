//! How soon a failed pass is tried again.

use std::time::Duration;

use kube::Resource;

use super::{Context, Error};

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause, so that statuses are right soon after the API server is back.
const LONGEST: Duration = Duration::from_secs(8);

/// The pause after `error`, with jitter so that many objects do not come back at once.
pub fn after_error<K: Resource>(controller: &'static str, object: &K, error: &Error, context: &Context) -> Duration {
    let meta = object.meta();
    let errors = context.volatile.memory.with(meta.uid.as_deref().unwrap_or_default(), |remembered| {
        remembered.errors = remembered.errors.saturating_add(1);
        remembered.errors
    });
    let pause = FIRST.saturating_mul(1 << errors.saturating_sub(1).min(3)).min(LONGEST);
    let pause = pause.mul_f64(0.5 + context.clock.random() / 2.0);
    tracing::warn!(controller, namespace = meta.namespace, name = meta.name, %error, pause_ms = pause.as_millis(), "the pass is tried again");
    pause
}
