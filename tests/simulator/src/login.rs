//! Who may call: Milvus' check of the `authorization` metadata.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use tonic::{Status, metadata::MetadataMap};

/// The one account that the simulator accepts.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// User and password.
    Password {
        /// Without a colon.
        user: String,
        /// May contain colons.
        password: String,
    },
    /// An API key.
    Token(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(..)",
            Self::Token(_) => "Token(..)",
        })
    }
}

impl Login {
    /// Whom the metadata names, whether or not that is right.
    pub(super) fn named(metadata: &MetadataMap) -> Option<String> {
        let bytes = STANDARD.decode(metadata.get("authorization")?.as_bytes()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        Some(text.split_once(':').map_or_else(|| "apikey".to_owned(), |(user, _)| user.to_owned()))
    }

    /// gRPC 16 unless the metadata carries this login, in padded base64 without a scheme word.
    pub(super) fn check(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let Some(header) = metadata.get("authorization") else {
            return Err(Status::unauthenticated("missing authorization in header"));
        };
        let Some(given) = STANDARD.decode(header.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok())
        else {
            return Err(Status::unauthenticated("fail to decode the token, must be base64"));
        };
        let wanted = match self {
            Self::Password { user, password } => format!("{user}:{password}"),
            Self::Token(token) => token.clone(),
        };
        if given == wanted {
            Ok(())
        } else {
            Err(Status::unauthenticated("auth check failure, please check user name and password are correct"))
        }
    }

    /// The name in messages about privileges.
    pub(super) fn user(&self) -> &str {
        match self {
            Self::Password { user, .. } => user,
            Self::Token(_) => "apikey",
        }
    }
}
