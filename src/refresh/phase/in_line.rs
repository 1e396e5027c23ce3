//! A run that could start and is not the one to start now: others go first, or this process may not start any.

use std::time::Duration;

use crate::refresh::{
    Ahead, Permission, Reason,
    decide::{Effect, Outcome, Step, Wake},
    limits::{LATE_CLAIM, LONGEST_SLEEP},
};

impl Step<'_> {
    /// Whether this process may start or take a job now.
    pub(in crate::refresh) fn may_start(&self) -> bool {
        match self.seen.permission {
            Permission::Granted => true,
            Permission::Withheld | Permission::Announce | Permission::Fenced => false,
        }
    }

    /// Another run has the collection, or comes first.
    pub(in crate::refresh) fn queue(&mut self, position: Option<u8>) -> Outcome {
        let collection = &self.want.collection;
        let message = match &self.seen.ahead {
            Some(Ahead::Refresh(first)) => {
                format!("Refresh {first} of collection {collection} runs first; this one starts after it has ended.")
            }
            Some(Ahead::PassedOver(_) | Ahead::Unwritten(_) | Ahead::Unlisted(_)) | None => {
                format!("Another refresh of collection {collection} runs first; this one starts after it has ended.")
            }
        };
        // Who goes first changes with every run that ends, which is no news.
        let was_due = self.next.summary.as_ref().is_some_and(|summary| summary.message == self.due());
        if was_due || !self.summarised(Reason::Queued) {
            self.inform("Queued", &message);
        }
        self.sum_up(Reason::Queued, message);
        self.next.queue_position = position;
        (Effect::None, Wake::After(LONGEST_SLEEP))
    }

    /// As many runs go through the connection as it allows.
    pub(in crate::refresh) fn await_slot(&mut self) -> Outcome {
        let message = "The connection already runs as many refreshes as its maxConcurrentRefreshes allows; this one waits for its \
                       turn and then starts automatically.";
        if !self.summarised(Reason::ConcurrencyLimit) {
            self.inform("ConcurrencyLimit", message);
        }
        self.sum_up(Reason::ConcurrencyLimit, message);
        (Effect::None, Wake::After(LONGEST_SLEEP))
    }

    /// This process may not start or take anything now.
    pub(in crate::refresh) fn hold(&mut self, again: Duration) -> Outcome {
        self.next.queue_position = None;
        if self.next.summary.is_none() {
            self.queue_up();
        }
        (Effect::None, Wake::After(again))
    }

    /// A claim of the process before this one may still land on the collection (rule 15). Whoever keeps watch over that wakes
    /// the run when it is over.
    pub(in crate::refresh) fn await_takeover(&mut self) -> Outcome {
        let minutes = LATE_CLAIM.as_secs() / 60;
        let message = match &self.seen.ahead {
            Some(Ahead::Unwritten(other)) => format!(
                "Refresh {other} was due when this operator became the leader, and its status cannot be written, so the previous \
                 leader may still start it. Refreshes that may use the same collection start once it is written, or {minutes} \
                 minutes after the change of leader."
            ),
            Some(Ahead::Unlisted(namespaces)) => format!(
                "The refreshes in namespace {namespaces} could not be listed since this operator became the leader, so one of \
                 them may use the collection. This one starts once they are listed, or {minutes} minutes after the change of \
                 leader."
            ),
            Some(Ahead::Refresh(_) | Ahead::PassedOver(_)) | None => return self.hold(LONGEST_SLEEP),
        };
        self.sum_up(Reason::Queued, message);
        (Effect::None, Wake::After(LONGEST_SLEEP))
    }
}
