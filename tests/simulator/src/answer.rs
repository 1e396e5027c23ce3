//! What requests ask for and how answers carry errors and show faults.

use super::{fault::Fault, journal::Method, refusal::Refusal};
use crate::{
    JobId,
    wire::{
        common,
        milvus::{
            ConnectRequest, ConnectResponse, DescribeCollectionRequest, DescribeCollectionResponse,
            DescribeIndexRequest, DescribeIndexResponse, GetLoadStateRequest, GetLoadStateResponse,
            GetPersistentSegmentInfoRequest, GetPersistentSegmentInfoResponse, GetQuerySegmentInfoRequest,
            GetQuerySegmentInfoResponse, GetRefreshExternalCollectionProgressRequest,
            GetRefreshExternalCollectionProgressResponse, GetVersionRequest, GetVersionResponse,
            ListRefreshExternalCollectionJobsRequest, ListRefreshExternalCollectionJobsResponse, QueryRequest,
            QueryResults, RefreshExternalCollectionJobInfo, RefreshExternalCollectionRequest,
            RefreshExternalCollectionResponse, RefreshExternalCollectionState as State,
        },
    },
};

/// A state number that no version of Milvus uses.
const UNKNOWN_STATE: i32 = 42;

/// A request of one method.
pub(super) trait Question: Send + Sync + 'static {
    const METHOD: Method;

    /// Database, collection and job that it names.
    fn target(&self) -> (&str, &str, Option<JobId>);
}

/// An answer of one method.
pub(super) trait Answer: Send + 'static {
    /// The answer that carries nothing but an error.
    fn refused(refusal: Refusal) -> Self;

    /// The job that it says was made.
    fn accepted(&self) -> Option<JobId> {
        None
    }

    /// Shows a fault about jobs. Whether there was something to show it on.
    fn spoil(&mut self, _fault: &Fault) -> bool {
        false
    }
}

macro_rules! about_a_collection {
    ($question:ty, $answer:ty, $method:expr) => {
        impl Question for $question {
            const METHOD: Method = $method;

            fn target(&self) -> (&str, &str, Option<JobId>) {
                (&self.db_name, &self.collection_name, None)
            }
        }

        impl Answer for $answer {
            refused!();
        }
    };
}

macro_rules! refused {
    () => {
        fn refused(refusal: Refusal) -> Self {
            Self { status: Some(refusal.into_status()), ..Self::default() }
        }
    };
}

impl Question for ConnectRequest {
    const METHOD: Method = Method::Connect;

    fn target(&self) -> (&str, &str, Option<JobId>) {
        ("", "", None)
    }
}

impl Answer for ConnectResponse {
    refused!();
}

impl Question for GetVersionRequest {
    const METHOD: Method = Method::Version;

    fn target(&self) -> (&str, &str, Option<JobId>) {
        ("", "", None)
    }
}

impl Answer for GetVersionResponse {
    refused!();
}

about_a_collection!(DescribeCollectionRequest, DescribeCollectionResponse, Method::Describe);
about_a_collection!(GetLoadStateRequest, GetLoadStateResponse, Method::LoadState);
about_a_collection!(DescribeIndexRequest, DescribeIndexResponse, Method::Indexes);
about_a_collection!(QueryRequest, QueryResults, Method::Count);
about_a_collection!(GetPersistentSegmentInfoRequest, GetPersistentSegmentInfoResponse, Method::MappedSegments);
about_a_collection!(GetQuerySegmentInfoRequest, GetQuerySegmentInfoResponse, Method::ServedSegments);

impl Question for RefreshExternalCollectionRequest {
    const METHOD: Method = Method::Refresh;

    fn target(&self) -> (&str, &str, Option<JobId>) {
        (&self.db_name, &self.collection_name, None)
    }
}

impl Answer for RefreshExternalCollectionResponse {
    refused!();

    fn accepted(&self) -> Option<JobId> {
        Some(JobId(self.job_id))
    }
}

impl Question for GetRefreshExternalCollectionProgressRequest {
    const METHOD: Method = Method::Progress;

    fn target(&self) -> (&str, &str, Option<JobId>) {
        ("", "", Some(JobId(self.job_id)))
    }
}

impl Answer for GetRefreshExternalCollectionProgressResponse {
    refused!();

    fn spoil(&mut self, fault: &Fault) -> bool {
        let Some(job) = &mut self.job_info else { return false };
        match fault {
            Fault::MissingJobInfo => self.job_info = None,
            Fault::OtherJobId => job.job_id += 1,
            Fault::FailedFirstWithoutReason if job.state() == State::RefreshFailed => {
                job.end_time = 0;
                job.reason.clear();
            }
            fault => return spoil_state(job, fault),
        }
        true
    }
}

impl Question for ListRefreshExternalCollectionJobsRequest {
    const METHOD: Method = Method::List;

    fn target(&self) -> (&str, &str, Option<JobId>) {
        (&self.db_name, &self.collection_name, None)
    }
}

impl Answer for ListRefreshExternalCollectionJobsResponse {
    refused!();

    fn spoil(&mut self, fault: &Fault) -> bool {
        self.jobs.iter_mut().fold(false, |any, job| spoil_state(job, fault) | any)
    }
}

fn spoil_state(job: &mut RefreshExternalCollectionJobInfo, fault: &Fault) -> bool {
    match fault {
        Fault::UnknownState => job.state = UNKNOWN_STATE,
        // Final states stay final in Milvus.
        Fault::RegressToPending if job.state() == State::RefreshInProgress => {
            job.set_state(State::RefreshPending);
            job.progress = 0;
        }
        _ => return false,
    }
    true
}

/// The status of a successful answer.
pub(super) fn success() -> Option<common::Status> {
    Some(common::Status::default())
}
