//! Faults that tests put in the way of calls.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use super::journal::Method;

/// On which side of a call's effect a fault lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The call has no effect.
    Before,
    /// The call has taken effect; only its answer is replaced.
    After,
}

/// What goes wrong with one call. Those about jobs leave calls alone that answer with none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call takes effect, the client gets gRPC 14 as from a broken connection.
    DropReplyAfterEffect,
    /// The call takes effect; its answer waits for [`super::Simulator::release`] and ends with the client's patience.
    HangAfterEffect,
    /// The call waits for [`super::Simulator::release`], then takes effect even if the client has gone, unless its
    /// `grpc-timeout` has passed by then.
    HangBeforeEffect,
    /// The call takes effect this much later (an occupied collection lock), `grpc-timeout` permitting.
    Delay(Duration),
    /// A gRPC status instead of the answer.
    Status {
        /// The gRPC code's number.
        code: i32,
        /// The status message.
        text: String,
        /// Before or after the effect.
        when: When,
    },
    /// An error of Milvus inside an OK answer.
    Milvus {
        /// Milvus' code, such as 1 or 65535.
        code: i32,
        /// Its text.
        reason: String,
        /// Before or after the effect.
        when: When,
    },
    /// The call takes effect, the answer is no protobuf message.
    Garbage,
    /// The proxy loses the coordinator's answer to a submit and repeats it inside: the client is told what came of the second
    /// one, which meets the job of the first, or makes a second job where that has ended already.
    RepeatedByProxy,
    /// A submit is answered with an id that never exists, as when Milvus swallows an error behind its back.
    LoseAcceptedJob,
    /// The progress has no job in it.
    MissingJobInfo,
    /// The progress is that of another job.
    OtherJobId,
    /// The progress and the list carry a state that nobody knows (42).
    UnknownState,
    /// The progress and the list show pending and 0 %.
    RegressToPending,
    /// The first progress that would show a failed job lacks its reason and its end time. Stays queued until then.
    FailedFirstWithoutReason,
}

/// A fault and how often it strikes.
#[derive(Clone, Debug)]
pub struct Armed {
    fault: Fault,
    /// `None`: until cleared.
    left: Option<u32>,
}

impl Fault {
    /// Strikes `n` calls.
    pub fn times(self, n: u32) -> Armed {
        Armed { fault: self, left: Some(n) }
    }

    /// Strikes every call until [`super::Simulator::clear_faults`].
    pub fn forever(self) -> Armed {
        Armed { fault: self, left: None }
    }

    /// Whether it leaves calls alone that answer with no job.
    pub(super) fn needs_a_job(&self) -> bool {
        match self {
            Self::RepeatedByProxy
            | Self::LoseAcceptedJob
            | Self::MissingJobInfo
            | Self::OtherJobId
            | Self::UnknownState
            | Self::RegressToPending
            | Self::FailedFirstWithoutReason => true,
            Self::DropReplyAfterEffect
            | Self::HangAfterEffect
            | Self::HangBeforeEffect
            | Self::Delay(_)
            | Self::Status { .. }
            | Self::Milvus { .. }
            | Self::Garbage => false,
        }
    }
}

impl From<Fault> for Armed {
    /// Strikes once.
    fn from(fault: Fault) -> Self {
        fault.times(1)
    }
}

/// The queued faults of each method, in the order in which they strike.
#[derive(Default)]
pub(super) struct Faults(HashMap<Method, VecDeque<Armed>>);

impl Faults {
    pub(super) fn add(&mut self, method: Method, armed: Armed) {
        if armed.left != Some(0) {
            self.0.entry(method).or_default().push_back(armed);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of the next call. One that waits for an event is not used up: see [`Faults::spend`].
    pub(super) fn next(&mut self, method: Method) -> Option<Fault> {
        let fault = self.0.get(&method)?.front()?.fault.clone();
        if fault != Fault::FailedFirstWithoutReason {
            self.spend(method, &fault);
        }
        Some(fault)
    }

    /// Uses up one strike of `fault`, if it is still the method's first one.
    pub(super) fn spend(&mut self, method: Method, fault: &Fault) {
        let Some(queue) = self.0.get_mut(&method) else { return };
        let first = queue.front_mut().filter(|armed| armed.fault == *fault);
        let Some(left) = first.and_then(|armed| armed.left.as_mut()) else { return };
        *left -= 1;
        if *left == 0 {
            queue.pop_front();
        }
    }
}
