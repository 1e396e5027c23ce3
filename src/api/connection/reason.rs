//! How a connection is, in one word.

use crate::complete::complete;

complete! {
    /// The reason of a connection's `Ready`, and what its metrics and its refreshes say of it: a closed set.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum ConnectionReason {
        /// Milvus answers, knows the refresh API and accepts the login.
        Connected,
        /// Nothing answers, or not in time.
        Unreachable,
        /// Milvus refuses the login.
        Unauthenticated,
        /// Milvus does not know the refresh API.
        UnsupportedServer,
        /// A Secret or ConfigMap, or a part of it, is missing.
        SecretNotFound,
        /// The spec, or what it refers to, cannot be used.
        InvalidSpec,
        /// The connection does not exist.
        NotFound,
        /// Milvus answers with errors that say nothing else.
        ServerError,
    }
}

impl ConnectionReason {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "Connected",
            Self::Unreachable => "Unreachable",
            Self::Unauthenticated => "Unauthenticated",
            Self::UnsupportedServer => "UnsupportedServer",
            Self::SecretNotFound => "SecretNotFound",
            Self::InvalidSpec => "InvalidSpec",
            Self::NotFound => "NotFound",
            Self::ServerError => "ServerError",
        }
    }

    /// Reads what [`as_str`](Self::as_str) gives; another version may know more of them.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// Whether only a person can change it.
    pub fn is_stalled(self) -> bool {
        matches!(self, Self::Unauthenticated | Self::UnsupportedServer | Self::InvalidSpec)
    }
}
