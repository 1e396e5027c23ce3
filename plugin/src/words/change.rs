//! What goes on with a refresh in one line, for a pipe that follows it.

use milvus_refresh_operator::api::{ExternalCollectionRefresh, READY, SUSPENDED};

use super::state::{condition, state};

/// State, progress, reason and message.
pub fn change(object: &ExternalCollectionRefresh) -> String {
    let status = object.status.as_ref();
    let (word, _) = state(status);
    let Some(status) = status else { return word };
    let progress = status.progress.filter(|_| status.completion_time.is_none());
    let progress = progress.map(|percent| format!("   {percent}%")).unwrap_or_default();
    let says = condition(status, READY).or_else(|| condition(status, SUSPENDED));
    let says = says.map(|says| format!("   {}   {}", says.reason, says.message)).unwrap_or_default();
    format!("{word}{progress}{}", says.trim_end())
}
