//! The lease in the API server: read, written, each call under a deadline.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, api::PostParams};
use tokio::time::timeout;

/// How long one call may take; the client alone would wait and retry for minutes. Half the renew deadline, so that a
/// leader whose connection hangs gets to try another one.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(5);

/// Why a call did not succeed. Whether a write took effect is known after a conflict only.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The lease is not as it was when it was read; nothing was written.
    #[error("another process has written the lease since it was read")]
    Conflict,
    /// The API server said no.
    #[error("the API server refused: {message} (HTTP {code})")]
    Refused {
        /// In its own words.
        message: String,
        /// The HTTP status.
        code: u16,
    },
    /// The call broke on its way.
    #[error("the API server could not be reached: {0}")]
    Unreachable(String),
    /// No answer.
    #[error("the API server did not answer within {} s", CALL_DEADLINE.as_secs())]
    Late,
}

/// One lease.
pub(super) struct Store {
    leases: Api<Lease>,
    name: String,
}

impl Store {
    /// The lease `name` among `leases`.
    pub(super) fn new(leases: Api<Lease>, name: String) -> Self {
        Self { leases, name }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The lease as the API server has it now: a GET without resourceVersion is answered by a quorum.
    pub(super) async fn read(&self) -> Result<Option<Lease>, Failure> {
        within_deadline(self.leases.get_opt(&self.name)).await
    }

    /// Creates the lease where it has no resourceVersion, else replaces just that version of it. Gives what is stored.
    pub(super) async fn write(&self, lease: &Lease) -> Result<Lease, Failure> {
        let params = PostParams::default();
        if lease.metadata.resource_version.is_none() {
            return within_deadline(self.leases.create(&params, lease)).await;
        }
        match within_deadline(self.leases.replace(&self.name, &params, lease)).await {
            // It was deleted.
            Err(Failure::Refused { code: 404, .. }) => Err(Failure::Conflict),
            other => other,
        }
    }
}

async fn within_deadline<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match timeout(CALL_DEADLINE, call).await {
        Ok(Ok(answer)) => Ok(answer),
        // Another version is stored, or the lease that was to be created exists.
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(Failure::Conflict),
        Ok(Err(kube::Error::Api(status))) => Err(Failure::Refused { message: status.message, code: status.code }),
        Ok(Err(error)) => Err(Failure::Unreachable(error.to_string())),
        Err(_) => Err(Failure::Late),
    }
}
