//! Asks a server how it is.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    api::ConnectionReason,
    backoff::doubled,
    milvus::{ErrorKind, Milvus, MilvusError},
};

/// How often a server that answers is looked at, its refreshes notice earlier when it does not; and the longest pause where
/// only a person can mend what is wrong.
const CALM: Duration = Duration::from_secs(60);
/// The first pause after a look that failed; each further one is twice as long. It begins anew with a change of the spec, or of
/// a Secret: the other half of that change, say a password in Milvus, may be seconds away.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest pause between looks at a server that does not answer.
const LONGEST_RETRY: Duration = Duration::from_secs(15);
/// The longest look at a server, whatever its calls may take otherwise: what a look asks for is known at once.
const LONGEST_LOOK: Duration = Duration::from_secs(30);

/// What a look at a connection found.
pub(super) struct Health {
    /// How it is.
    pub reason: ConnectionReason,
    /// What is wrong and what to do.
    pub message: String,
    /// The server's version, where it was told.
    pub version: Option<String>,
}

impl Health {
    /// A connection that cannot be used.
    pub(super) fn not_ready(reason: ConnectionReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), version: None }
    }

    /// Whether it can be used.
    pub(super) fn ready(&self) -> bool {
        self.reason == ConnectionReason::Connected
    }

    /// The longest pause before the next look, while it stays so.
    fn longest_pause(&self) -> Duration {
        if self.reason.is_stalled() { CALM } else { LONGEST_RETRY }
    }

    /// The pause before the next look, after `failures` in a row.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        if self.ready() { CALM } else { doubled(FIRST_RETRY, failures.max(1), self.longest_pause()) }
    }
}

/// Asks the server at `address` for its version, and whether it knows the refresh API and the login.
pub(super) async fn probe(milvus: &dyn Milvus, address: &str) -> Health {
    timeout(LONGEST_LOOK, ask(milvus)).await.unwrap_or_else(|_| {
        let message = format!("Milvus at {address} did not answer within {LONGEST_LOOK:?}");
        unhealthy(&MilvusError::new(ErrorKind::Timeout, message))
    })
}

async fn ask(milvus: &dyn Milvus) -> Health {
    let version = match milvus.version().await {
        Ok(version) => version,
        Err(error) => return unhealthy(&error),
    };
    match milvus.probe().await {
        Ok(()) => Health {
            reason: ConnectionReason::Connected,
            message: format!("Milvus {version} answers and supports the refresh API."),
            version: Some(version),
        },
        Err(error) => Health { version: Some(version), ..unhealthy(&error) },
    }
}

fn unhealthy(error: &MilvusError) -> Health {
    let (reason, advice) = match error.kind {
        ErrorKind::Unauthenticated => (
            ConnectionReason::Unauthenticated,
            "Correct the login in the Secret of auth.secretRef, or the account in Milvus.",
        ),
        ErrorKind::Unsupported => {
            (ConnectionReason::UnsupportedServer, "External collections need Milvus 3.0 or later: upgrade it.")
        }
        _ => (ConnectionReason::Unreachable, "Check that Milvus runs there and is reachable from the operator."),
    };
    let mut health = Health::not_ready(reason, "");
    // The schedule and not the time of the next try, which would be a status write for each.
    health.message = format!(
        "{}. {advice} The operator retries at least every {} s, and within seconds of a change of the connection or of a \
         Secret that it refers to.",
        error.message.trim_end_matches('.'),
        health.longest_pause().as_secs()
    );
    health
}
