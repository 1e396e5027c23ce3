//! The run that somebody waits for, and how it ended: read from the object as it changes.

use kube::ResourceExt;
use milvus_refresh_operator::api::{
    ExternalCollectionRefresh, READY, RECONCILING, REQUESTED_AT, RefreshStatus, SUSPENDED,
};

use super::progress::{holds, ready};
use crate::exit::Exit;

/// How what was awaited has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How the command ends for it.
    pub exit: Exit,
    /// What came of it, in a sentence.
    pub message: String,
}

/// The run that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The one that answers a request.
    Answer(Request),
    /// The one that goes on when the object is first looked at, by its number once that is known.
    Current(Option<i64>),
}

/// A request that was made by annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The annotation's value.
    value: String,
    /// Earlier ones that the object told of when the request was made.
    before: Vec<String>,
    /// The object's newest run when the request was made; it began before.
    newest: i64,
    /// The run that captured the request.
    number: Option<i64>,
}

impl Request {
    /// `value`, which has just been written to `object` in the place of `replaced`.
    pub fn made(value: &str, replaced: Option<&String>, object: &ExternalCollectionRefresh) -> Self {
        let status = object.status.as_ref();
        let newest = status.and_then(|status| status.run.as_ref()).map_or(0, |run| run.number);
        let told = status.into_iter().flat_map(|status| [&status.pending_request, &status.last_handled_request]);
        let before = told.flatten().chain(replaced).filter(|told| *told != value).cloned().collect();
        Self { value: value.to_owned(), before, newest, number: None }
    }

    fn read(&mut self, object: &ExternalCollectionRefresh, status: &RefreshStatus) -> Option<Ended> {
        let known = [
            object.annotations().get(REQUESTED_AT),
            status.pending_request.as_ref(),
            status.last_handled_request.as_ref(),
        ];
        if self.number.is_none() && !known.contains(&Some(&self.value)) {
            // Only the last value counts: the run for a newer one answers this one, too.
            let newer = known.into_iter().flatten().find(|value| !self.before.contains(*value));
            match newer {
                Some(newer) => self.value.clone_from(newer),
                None if goes_on(object, status) => return self.first_since(object, status),
                None => return Some(self.first_since(object, status).unwrap_or_else(lost)),
            }
        }
        let run = status.run.as_ref();
        let captured = run.filter(|run| run.requested_at.as_ref() == Some(&self.value)).map(|run| run.number);
        self.number = self.number.or(captured);
        match self.number {
            Some(number) => ended(object, status, number),
            None if status.last_completed_request.as_ref() == Some(&self.value) => {
                // A run of before may have captured it at its next attempt.
                let ended = self.first_since(object, status).or_else(|| ended(object, status, self.newest));
                Some(ended.unwrap_or_else(swallowed))
            }
            None => None,
        }
    }

    /// The first run that ended and had not begun before the request, as far as the history tells.
    fn first_since(&self, object: &ExternalCollectionRefresh, status: &RefreshStatus) -> Option<Ended> {
        let later = status.history.iter().map(|past| past.number).filter(|number| *number > self.newest);
        ended(object, status, later.min()?)
    }
}

impl Awaited {
    /// What `object` tells: `None` while the run goes on or has not begun.
    pub fn read(&mut self, object: &ExternalCollectionRefresh) -> Option<Ended> {
        let unseen = RefreshStatus::default();
        let status = object.status.as_ref().unwrap_or(&unseen);
        match self {
            Self::Answer(request) => request.read(object, status),
            Self::Current(number) => {
                if let Some(ended) = number.and_then(|number| ended(object, status, number)) {
                    return Some(ended);
                }
                if !goes_on(object, status) {
                    return Some(verdict(object));
                }
                *number = number.or(status.run.as_ref().filter(|_| holds(object, RECONCILING)).map(|run| run.number));
                None
            }
        }
    }
}

/// Whether a run goes on or waits, or nobody has looked at the object as it is.
fn goes_on(object: &ExternalCollectionRefresh, status: &RefreshStatus) -> bool {
    holds(object, RECONCILING) || status.observed_generation != object.metadata.generation
}

/// How the run of this number ended; `None` while it has not.
fn ended(object: &ExternalCollectionRefresh, status: &RefreshStatus, number: i64) -> Option<Ended> {
    let Some(past) = status.history.iter().find(|past| past.number == number) else {
        let oldest = status.history.iter().map(|past| past.number).min();
        return oldest.filter(|oldest| *oldest > number).map(|_| forgotten(number));
    };
    let exit = if past.state == "RefreshCompleted" { Exit::Ok } else { Exit::Failed };
    // The history keeps little of a long message; that of the last run stands in Ready as well.
    let is_last = status.run.as_ref().is_some_and(|run| run.number == number) && !goes_on(object, status);
    let whole = ready(object).filter(|_| is_last).map(|ready| ready.message.clone());
    Some(Ended { exit, message: whole.unwrap_or_else(|| past.message.clone()) })
}

/// What is so of an object that rests.
fn verdict(object: &ExternalCollectionRefresh) -> Ended {
    match ready(object) {
        Some(ready) => {
            let exit = if ready.status == "False" { Exit::Failed } else { Exit::Ok };
            Ended { exit, message: ready.message.clone() }
        }
        None if holds(object, SUSPENDED) => {
            Ended { exit: Exit::Ok, message: "It has not run yet: spec.suspend holds all starts.".to_owned() }
        }
        None => Ended { exit: Exit::Ok, message: format!("It rests; its condition {READY} says nothing.") },
    }
}

fn forgotten(number: i64) -> Ended {
    let message =
        format!("Run {number} has ended, and more runs after it than the history keeps, so its result is not known.");
    Ended { exit: Exit::Failed, message }
}

fn swallowed() -> Ended {
    let message = "The operator saw the object for the first time with this request, which counts as handled there \
                   (spec.runOnCreation: false). Ask again.";
    Ended { exit: Exit::Failed, message: message.to_owned() }
}

fn lost() -> Ended {
    let message = "The request is gone from the annotation milvus-refresh.dev/requestedAt, and the operator has not seen it. \
                   Ask again; if a tool removes it, set spec.trigger where the object comes from.";
    Ended { exit: Exit::Failed, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use serde_json::{Value, json};

    use super::*;

    fn object(annotation: Option<&str>, status: Value) -> ExternalCollectionRefresh {
        let annotations = annotation.map(|value| json!({ REQUESTED_AT: value }));
        serde_json::from_value(json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
            "metadata": { "name": "products", "generation": 1, "annotations": annotations },
            "spec": { "collectionName": "products" }, "status": status,
        }))
        .unwrap()
    }

    fn status(run: Value, past: &[(i64, &str)], more: Value) -> Value {
        let history: Vec<Value> = past
            .iter()
            .map(|(number, state)| json!({ "number": number, "state": state, "message": format!("run {number}") }))
            .collect();
        let mut status = json!({ "observedGeneration": 1, "run": run, "history": history });
        status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        status
    }

    fn condition(type_: &str, status: &str, message: &str) -> Value {
        json!({ "type": type_, "status": status, "reason": "Because", "message": message,
            "lastTransitionTime": "2026-11-26T12:00:00Z" })
    }

    fn busy() -> Value {
        json!({ "conditions": [condition("Reconciling", "True", "")] })
    }

    const DONE: &str = "RefreshCompleted";
    const FAILED: &str = "RefreshFailed";

    /// A request on an object whose second run is its last.
    fn asked() -> Awaited {
        let before = object(Some("r"), status(json!({ "number": 2 }), &[(2, DONE)], json!({})));
        Awaited::Answer(Request::made("r", Some(&"q".to_owned()), &before))
    }

    fn says(ended: Option<Ended>) -> Option<(Exit, String)> {
        ended.map(|ended| (ended.exit, ended.message))
    }

    #[test]
    fn the_run_that_captured_the_request_answers_it_whatever_comes_after() {
        let mut awaited = asked();
        let more = json!({ "lastHandledRequest": "r" });
        let runs = object(Some("r"), status(json!({ "number": 3, "requestedAt": "r" }), &[(2, DONE)], more.clone()));
        assert_eq!(awaited.read(&runs), None);
        let past = [(4, DONE), (3, FAILED), (2, DONE)];
        let over = object(Some("r"), status(json!({ "number": 5, "requestedAt": "r" }), &past, more));
        assert_eq!(says(awaited.read(&over)), Some((Exit::Failed, "run 3".to_owned())));
    }

    #[test]
    fn a_run_of_before_the_request_is_no_answer() {
        let before = object(Some("r"), status(json!({ "number": 2, "submitTime": null }), &[], busy()));
        let mut awaited = Awaited::Answer(Request::made("r", None, &before));
        let next = status(json!({ "number": 3 }), &[(2, DONE)], json!({ "pendingRequest": "r" }));
        assert_eq!(awaited.read(&object(None, next)), None, "the request waits for the next run");
    }

    #[test]
    fn a_run_that_was_queued_when_the_request_came_answers_it_when_it_captures_it() {
        let before = object(Some("r"), status(json!({ "number": 2 }), &[], busy()));
        let mut awaited = Awaited::Answer(Request::made("r", None, &before));
        let more = json!({ "lastHandledRequest": "r", "lastCompletedRequest": "r" });
        let over = object(Some("r"), status(json!({ "number": 2, "requestedAt": "r" }), &[(2, DONE)], more));
        assert_eq!(says(awaited.read(&over)), Some((Exit::Ok, "run 2".to_owned())));
    }

    #[test]
    fn an_answer_that_came_while_nobody_watched_is_found_in_the_history() {
        let mut awaited = asked();
        let more = json!({ "lastHandledRequest": "s", "lastCompletedRequest": "s" });
        let past = [(4, DONE), (3, FAILED), (2, DONE)];
        let over = object(Some("s"), status(json!({ "number": 4, "requestedAt": "s" }), &past, more));
        assert_eq!(says(awaited.read(&over)), Some((Exit::Ok, "run 4".to_owned())), "the newer one's run");
        let mut awaited = asked();
        let more = json!({ "lastHandledRequest": "r", "lastCompletedRequest": "r" });
        let over = object(Some("r"), status(json!({ "number": 5 }), &past, more));
        assert_eq!(says(awaited.read(&over)), Some((Exit::Failed, "run 3".to_owned())));
    }

    #[test]
    fn a_request_that_nobody_saw_is_told_once_nothing_goes_on() {
        let before =
            object(Some("r"), status(json!({ "number": 2 }), &[(2, DONE)], json!({ "lastHandledRequest": "q" })));
        let mut awaited = Awaited::Answer(Request::made("r", None, &before));
        let mut more = busy();
        more["lastHandledRequest"] = json!("q");
        assert_eq!(awaited.read(&object(None, status(json!({ "number": 2 }), &[(2, DONE)], more))), None);
        let rests = json!({ "lastHandledRequest": "q", "lastCompletedRequest": "q" });
        let rests = object(None, status(json!({ "number": 2, "requestedAt": "q" }), &[(2, DONE)], rests));
        let (exit, message) = says(awaited.clone().read(&rests)).unwrap();
        assert!(exit == Exit::Failed && message.contains("gone"), "{message}");
        let ran =
            object(None, status(json!({ "number": 3 }), &[(3, DONE), (2, DONE)], json!({ "lastHandledRequest": "q" })));
        assert_eq!(says(awaited.read(&ran)), Some((Exit::Ok, "run 3".to_owned())), "a run that began later");
    }

    #[test]
    fn a_request_that_a_new_object_began_with_is_told_to_have_started_nothing() {
        let new = object(Some("r"), json!({ "observedGeneration": -1 }));
        let mut awaited = Awaited::Answer(Request::made("r", None, &new));
        assert_eq!(awaited.read(&new), None);
        let more = json!({ "observedGeneration": 1, "lastHandledRequest": "r", "lastCompletedRequest": "r" });
        let (exit, message) = says(awaited.read(&object(Some("r"), more))).unwrap();
        assert!(exit == Exit::Failed && message.contains("runOnCreation"), "{message}");
    }

    #[test]
    fn whoever_waits_gets_the_run_that_goes_on_or_else_the_last_result() {
        let mut awaited = Awaited::Current(None);
        let unseen = object(None, json!({ "observedGeneration": -1 }));
        assert_eq!(awaited.read(&unseen), None);
        assert_eq!(awaited.read(&object(None, status(json!({ "number": 7 }), &[], busy()))), None);
        let next = status(json!({ "number": 8 }), &[(7, FAILED)], busy());
        assert_eq!(says(awaited.read(&object(None, next))), Some((Exit::Failed, "run 7".to_owned())));
        for (ready, exit) in [("True", Exit::Ok), ("False", Exit::Failed)] {
            let more = json!({ "conditions": [condition("Ready", ready, "told")] });
            let rests = object(None, status(json!({ "number": 7 }), &[(7, DONE)], more));
            assert_eq!(says(Awaited::Current(None).read(&rests)), Some((exit, "told".to_owned())));
        }
        let held = json!({ "conditions": [condition("Suspended", "True", "held")] });
        let never = object(None, status(json!({ "number": 1 }), &[], held));
        assert_eq!(says(Awaited::Current(None).read(&never)).map(|(exit, _)| exit), Some(Exit::Ok));
    }

    #[test]
    fn a_result_that_the_history_no_longer_has_is_not_guessed() {
        let mut awaited = Awaited::Current(Some(3));
        let past: Vec<(i64, &str)> = (5..15).rev().map(|number| (number, DONE)).collect();
        let (exit, message) =
            says(awaited.read(&object(None, status(json!({ "number": 15 }), &past, busy())))).unwrap();
        assert!(exit == Exit::Failed && message.contains("Run 3"), "{message}");
    }
}
