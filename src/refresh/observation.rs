//! What the shell has seen, as values.

use std::{collections::BTreeSet, time::Duration};

use super::{FailureClass, LastLook, Scouted};
use crate::{
    api::ConnectionReason,
    milvus::{self, Answer, Collection, Job, JobId, MilvusError, examiner::Evidence},
};

/// Everything that a decision may look at besides what is wanted and recorded.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The connection that the object refers to.
    pub connection: Connection,
    /// How long this process has known the standing claim, on its monotonic clock; zero when none stands. Wall clocks of
    /// two replicas may differ and may be set back, so a claim's own time never shortens the grace.
    pub claim_known: Duration,
    /// Whether this process may start or take jobs now.
    pub permission: Permission,
    /// Names this process.
    pub operator: String,
    /// Whose turn it is on the collection.
    pub turn: Turn,
    /// What the run waits for or has waited for too long, where that is told.
    pub ahead: Option<Ahead>,
    /// Randomness, from 0 up to 1, for what must not happen everywhere at once.
    pub luck: f64,
    /// Randomness for the id of a claim that may be made now: another one each time.
    pub nonce: u64,
    /// Whether it is one of those that may run through its connection.
    pub slot: Slot,
    /// How long ago this process last heard what a look at the collection has found.
    pub examined: Option<Duration>,
    /// What is known of looks at the source that it watches.
    pub scouted: Scouted,
    /// What the last effect brought; [`Fact::Nothing`] at the start of a pass.
    pub fact: Fact,
}

/// The connection as far as a run cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Not looked at yet: the process has just started.
    Unknown,
    /// Missing, unreachable or refused.
    NotReady {
        /// The connection's own reason.
        reason: ConnectionReason,
        /// What is wrong and what to do.
        message: String,
    },
    /// Usable.
    Ready {
        /// The address that is in use.
        endpoint: String,
    },
}

impl Connection {
    /// There is none of this name.
    pub fn missing(name: &str) -> Self {
        Self::NotReady {
            reason: ConnectionReason::NotFound,
            message: format!(
                "MilvusConnection {name} does not exist in this namespace. Create it, and the refresh continues automatically once it \
                 is connected; or create a refresh with the right spec.connectionRef."
            ),
        }
    }
}

/// Whether a process may start or take jobs: only the leader, and only once every run that was due when it took over
/// carries its name (rule 15 of the start protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It may.
    Granted,
    /// Not now: it does not lead (any more), or other runs do not carry its name yet.
    Withheld,
    /// Not now: this run does not carry its name yet and has to be written with it.
    Announce,
    /// Not before what a predecessor may have claimed is known: [`Observation::ahead`] says what that is.
    Fenced,
}

/// What is ahead of a run, as `namespace/name` of a refresh or as a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// This refresh has the collection, or comes first.
    Refresh(String),
    /// This refresh of another namespace has had the collection for longer than any job may run, and is waited for no longer.
    PassedOver(String),
    /// This refresh was due when the process took over and its status cannot be written, so that a claim of the predecessor
    /// may still land on it.
    Unwritten(String),
    /// The refreshes of this namespace cannot be listed; `*` stands for all.
    Unlisted(String),
}

/// Whose turn it is on the collection: one run at a time, in the order in which they became due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Which collection it is has not been found out yet.
    Unknown,
    /// This run's; nobody else's until it is over.
    Mine,
    /// Another run's.
    Behind {
        /// The place in the queue, 1 to 3; `None` beyond.
        position: Option<u8>,
    },
}

/// Whether a run is one of those that may run through their connection at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// It is, or it does not matter now.
    Mine,
    /// It has to wait until one of them is over.
    Waiting,
}

/// What an effect brought.
#[derive(Clone, Debug)]
pub enum Fact {
    /// No effect was carried out yet.
    Nothing,
    /// The answer to [`super::Effect::Find`].
    Looked(Result<Look, MilvusError>),
    /// The answer to [`super::Effect::Submit`].
    Submitted(Submission),
    /// The answer to [`super::Effect::Poll`]: what Milvus last said of the job, if it has said anything.
    Sighted(Option<Answer>),
    /// The answer to [`super::Effect::Examine`]: what a look has found or why it could not; `None` while it is under way.
    Examined(Option<milvus::Result<Evidence>>),
}

/// The collection and its jobs, freshly described and listed.
#[derive(Clone, Debug)]
pub struct Look {
    /// The collection, which was described before its jobs were listed; `None` when the account may not describe it.
    pub collection: Option<Collection>,
    /// Its jobs, in any order.
    pub jobs: Vec<Job>,
    /// Jobs that other objects have recorded as theirs.
    pub taken: BTreeSet<JobId>,
    /// What became of the refresh's own source, if it brings one along and a claim may be made of this look.
    pub own_source: OwnSourceCheck,
    /// The last look at the source that it watches, from before the collection was described: what it brings along comes from
    /// there.
    pub source: Option<LastLook>,
}

/// Whether the source that a refresh brings along can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnSourceCheck {
    /// It brings none.
    None,
    /// It is allowed and its spec is at hand.
    Usable,
    /// Its spec cannot be had (yet): why, and what to do.
    Missing(String),
    /// It is wrong or not allowed: the class, and what is wrong.
    Refused(FailureClass, String),
}

/// What came of a start.
#[derive(Clone, Debug)]
pub enum Submission {
    /// Milvus accepted it under this id.
    Accepted(JobId),
    /// The claim took so long to write that nothing of the budget was left: nothing was sent.
    Withheld,
    /// Milvus or the way to it answered with an error, which may or may not prove that nothing was started.
    Failed(MilvusError),
}
