//! What goes on with an object, in one line for each change that is worth one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use milvus_refresh_operator::api::{ExternalCollectionRefresh, READY, RECONCILING, SUSPENDED};

use crate::words;

/// Percent of progress between two lines.
const STEP: i64 = 10;

fn condition<'a>(object: &'a ExternalCollectionRefresh, type_: &str) -> Option<&'a Condition> {
    words::condition(object.status.as_ref()?, type_)
}

/// Whether the condition of this type is true.
pub fn holds(object: &ExternalCollectionRefresh, type_: &str) -> bool {
    condition(object, type_).is_some_and(|condition| condition.status == "True")
}

/// The condition that sums up the others.
pub fn ready(object: &ExternalCollectionRefresh) -> Option<&Condition> {
    condition(object, READY)
}

/// What was last told of an object that somebody waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    what: String,
    step: i64,
    held: bool,
}

impl Told {
    /// The line to tell now, if something has changed that is worth one.
    pub fn news(&mut self, object: &ExternalCollectionRefresh) -> Option<String> {
        let (what, line, held) = state(object);
        let progress = object.status.as_ref().and_then(|status| status.progress).filter(|progress| *progress > 0);
        let busy = holds(object, RECONCILING);
        let step = progress.filter(|_| busy).map_or(0, |progress| progress / STEP);
        let now = Self { what, step, held };
        if now == *self {
            return None;
        }
        let further = now.what == self.what && now.step > self.step;
        let line = match progress.filter(|_| busy) {
            Some(progress) if further => Some(format!("{progress} %")),
            _ if now.what == self.what => None,
            Some(progress) if step > 0 => Some(format!("{line} {progress} %")),
            _ => Some(line),
        };
        *self = now;
        line
    }

    /// What holds the run, if anything does.
    pub fn held(&self) -> Option<String> {
        self.held.then(|| self.what.clone())
    }
}

/// What makes a state differ from another, what is said of it, and whether it holds the run.
fn state(object: &ExternalCollectionRefresh) -> (String, String, bool) {
    if holds(object, RECONCILING) {
        let (reason, line) = match ready(object) {
            Some(ready) => (ready.reason.clone(), ready.message.clone()),
            None => (String::new(), "A run goes on.".to_owned()),
        };
        // Several jobs of one run, and the retries between them, differ in nothing else.
        return (format!("{reason} {line}"), line, false);
    }
    if let Some(held) = condition(object, SUSPENDED).filter(|held| held.status == "True") {
        let line = format!("Suspended. {} This command waits for that.", held.message);
        return (line.clone(), line, true);
    }
    let line = "Waiting for the operator to act on it.".to_owned();
    (line.clone(), line, false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn object(conditions: &[(&str, &str, &str)], progress: i64) -> ExternalCollectionRefresh {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(type_, status, message)| {
                json!({ "type": type_, "status": status, "reason": "Because", "message": message,
                    "lastTransitionTime": "2026-11-26T12:00:00Z" })
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
            "metadata": { "name": "products" }, "spec": { "collectionName": "products" },
            "status": { "conditions": conditions, "progress": progress },
        }))
        .unwrap()
    }

    #[test]
    fn a_line_is_told_for_a_change_and_for_each_tenth_of_the_way() {
        let mut told = Told::default();
        let runs = |progress| object(&[("Reconciling", "True", ""), ("Ready", "Unknown", "Job 7 runs.")], progress);
        let mut lines = Vec::new();
        for progress in [0, 0, 4, 12, 19, 20, 20, 55] {
            lines.extend(told.news(&runs(progress)));
        }
        assert_eq!(lines, ["Job 7 runs.", "12 %", "20 %", "55 %"]);
        let retries = object(&[("Reconciling", "True", ""), ("Ready", "False", "Retry 1 of 3.")], 0);
        assert_eq!(told.news(&retries).as_deref(), Some("Retry 1 of 3."));
    }

    #[test]
    fn a_suspended_object_is_told_to_hold_the_run() {
        let held = object(&[("Suspended", "True", "spec.suspend holds all starts; set it to false to continue.")], 0);
        let line = Told::default().news(&held).unwrap();
        assert!(line.starts_with("Suspended. spec.suspend holds all starts"), "{line}");
        let runs = [("Suspended", "True", "held"), ("Reconciling", "True", ""), ("Ready", "Unknown", "Job 7 runs.")];
        assert_eq!(Told::default().news(&object(&runs, 0)).as_deref(), Some("Job 7 runs."), "what runs goes on");
    }
}
