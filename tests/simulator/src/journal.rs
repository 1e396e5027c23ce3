//! What was asked and what came of it.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use super::fault::Fault;
use crate::JobId;

/// The calls that the simulator serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `Connect`, the optional handshake.
    Connect,
    /// `GetVersion`.
    Version,
    /// `DescribeCollection`.
    Describe,
    /// `GetLoadState`.
    LoadState,
    /// `GetPersistentSegmentInfo`.
    MappedSegments,
    /// `GetQuerySegmentInfo`.
    ServedSegments,
    /// `DescribeIndex`.
    Indexes,
    /// `Query`, for `count(*)`.
    Count,
    /// `RefreshExternalCollection`.
    Refresh,
    /// `GetRefreshExternalCollectionProgress`.
    Progress,
    /// `ListRefreshExternalCollectionJobs`.
    List,
}

impl Method {
    /// The name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "Connect",
            Self::Version => "GetVersion",
            Self::Describe => "DescribeCollection",
            Self::LoadState => "GetLoadState",
            Self::MappedSegments => "GetPersistentSegmentInfo",
            Self::ServedSegments => "GetQuerySegmentInfo",
            Self::Indexes => "DescribeIndex",
            Self::Count => "Query",
            Self::Refresh => "RefreshExternalCollection",
            Self::Progress => "GetRefreshExternalCollectionProgress",
            Self::List => "ListRefreshExternalCollectionJobs",
        }
    }

    /// The privilege that it needs. Milvus asks for none where it is called as the call.
    pub(super) fn privilege(self) -> &'static str {
        match self {
            Self::Indexes => "IndexDetail",
            _ => self.name(),
        }
    }
}

/// What a call did to the cluster, whatever its client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not decided yet: the call hangs before its effect.
    Open,
    /// A read that was answered.
    Answered,
    /// A submit that made this job.
    Accepted(JobId),
    /// A submit that the proxy repeated inside, and that made two jobs.
    AcceptedTwice(JobId, JobId),
    /// A submit that was answered with this id and made no job.
    Lost(JobId),
    /// Milvus' error inside an OK answer.
    Refused {
        /// Milvus' code.
        code: i32,
        /// Its text.
        reason: String,
    },
    /// A gRPC status, without any effect.
    Status {
        /// The gRPC code's number.
        code: i32,
        /// The status message.
        text: String,
    },
}

/// One call, in order of arrival.
#[derive(Clone, Debug)]
pub struct Call {
    /// Time of arrival since the start of the simulator, on its own clock.
    pub at: Duration,
    /// Which call.
    pub method: Method,
    /// As requested; empty where the request had none.
    pub database: String,
    /// As requested.
    pub collection: String,
    /// The job that was asked for.
    pub job: Option<JobId>,
    /// The user that it was made as, if it came with a login: `apikey` for a bare token.
    pub user: Option<String>,
    /// The connection that it came in by, numbered from 1 in the order of their arrival.
    pub connection: u64,
    /// What it did.
    pub verdict: Verdict,
    /// The fault that struck it, or is to strike it while the verdict is open.
    pub fault: Option<Fault>,
}

/// Calls that are kept in full; older ones stay counted.
const KEPT_CALLS: usize = 100_000;

/// The record of all calls.
#[derive(Default)]
pub(super) struct Journal {
    calls: VecDeque<Call>,
    /// Calls that are no longer kept.
    dropped: usize,
    counts: HashMap<Method, usize>,
    /// By database and the collection's own name. The oracle of tests, hence never cut: 8 bytes a start.
    starts: HashMap<(String, String), Vec<JobId>>,
}

impl Journal {
    /// Notes an arrival and gives the number to report its end with.
    pub(super) fn open(&mut self, call: Call) -> usize {
        *self.counts.entry(call.method).or_default() += 1;
        if self.calls.len() == KEPT_CALLS {
            self.calls.pop_front();
            self.dropped += 1;
        }
        self.calls.push_back(call);
        self.dropped + self.calls.len() - 1
    }

    pub(super) fn close(&mut self, number: usize, verdict: Verdict) {
        if let Some(call) = self.call_mut(number) {
            call.verdict = verdict;
        }
    }

    /// Notes that there was nothing for the call's fault to strike.
    pub(super) fn spared(&mut self, number: usize) {
        if let Some(call) = self.call_mut(number) {
            call.fault = None;
        }
    }

    fn call_mut(&mut self, number: usize) -> Option<&mut Call> {
        number.checked_sub(self.dropped).and_then(|index| self.calls.get_mut(index))
    }

    pub(super) fn started(&mut self, owner: (String, String), job: JobId) {
        self.starts.entry(owner).or_default().push(job);
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    pub(super) fn count(&self, method: Method) -> usize {
        self.counts.get(&method).copied().unwrap_or_default()
    }

    pub(super) fn starts(&self, database: &str, collection: &str) -> Vec<JobId> {
        self.starts.get(&(database.to_owned(), collection.to_owned())).cloned().unwrap_or_default()
    }
}
