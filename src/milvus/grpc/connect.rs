//! The one channel to a Milvus server, and the login that goes with each call.

use std::{error::Error, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use tonic::{
    codegen::http::Uri,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use super::{
    super::server::{ConnectError, ConnectOptions, Login, Tls},
    room::{JOB_LISTS, SEGMENT_LISTS},
};

/// Milvus closes the connection of a client that pings more often than every 5 s.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls wait behind a connection that is being made, so making it must end well before they do.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of an answer that nobody reads yet a server may send, and of all its answers together, in bytes. The defaults of the
/// library are megabytes, for each of any number of servers.
const ANSWER_WINDOW: u32 = 128 << 10;
/// Room for all lists, though none of them is read, and for other answers beside them.
const CONNECTION_WINDOW: u32 = (2 * JOB_LISTS + SEGMENT_LISTS) * ANSWER_WINDOW;

impl Login {
    /// The value of the `authorization` metadata: padded base64 without a scheme word, marked as sensitive.
    pub(super) fn authorization(&self) -> Result<MetadataValue<Ascii>, ConnectError> {
        let encoded = self.encoded()?;
        let mut value = MetadataValue::try_from(encoded.expose_secret()).map_err(|_| ConnectError::EmptyLogin)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Every text that must not be read by anyone.
    pub(super) fn secrets(&self) -> Result<[SecretString; 2], ConnectError> {
        let plain = match self {
            Self::User { password, .. } => password,
            Self::Token(token) => token,
        };
        Ok([plain.clone(), self.encoded()?])
    }

    fn encoded(&self) -> Result<SecretString, ConnectError> {
        let plain: SecretString = match self {
            Self::User { name, .. } if name.contains(':') => return Err(ConnectError::UserName),
            Self::User { name, .. } if name.is_empty() => return Err(ConnectError::EmptyLogin),
            Self::User { name, password } => format!("{name}:{}", password.expose_secret()).into(),
            Self::Token(token) if token.expose_secret().is_empty() => return Err(ConnectError::EmptyLogin),
            Self::Token(token) => token.clone(),
        };
        Ok(STANDARD.encode(plain.expose_secret()).into())
    }
}

impl ConnectOptions {
    /// The channel to the server. It connects when it is first used and again whenever the connection is lost.
    ///
    /// # Errors
    /// When the address or what TLS needs cannot be used.
    pub(super) fn channel(&self) -> Result<Channel, ConnectError> {
        let uri = self.uri()?;
        let endpoint = match (uri.scheme_str() == Some("https"), &self.tls) {
            (false, None) => Endpoint::from(uri),
            (false, Some(_)) => return Err(ConnectError::TlsOverHttp),
            (true, tls) => {
                let config = tls.as_ref().unwrap_or(&Tls::default()).config()?.timeout(self.connect_timeout());
                Endpoint::from(uri).tls_config(config).map_err(|error| {
                    ConnectError::TlsSetup(error.source().map_or_else(|| error.to_string(), ToString::to_string))
                })?
            }
        };
        let endpoint = endpoint
            .connect_timeout(self.connect_timeout())
            .initial_stream_window_size(ANSWER_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        Ok(endpoint.connect_lazy())
    }

    fn connect_timeout(&self) -> Duration {
        MAX_CONNECT_TIMEOUT.min(self.request_timeout / 2)
    }

    fn uri(&self) -> Result<Uri, ConnectError> {
        let wrong = |problem| ConnectError::Address { address: self.address.clone(), problem };
        let (scheme, authority) = self.address.split_once("://").ok_or(wrong("it has no scheme"))?;
        match scheme {
            "http" | "https" => {}
            _ => return Err(wrong("its scheme is neither http nor https")),
        }
        if authority.contains(['/', '?', '#']) {
            return Err(wrong("it has more than a host and a port"));
        }
        if authority.contains('@') {
            // Such an address may hold a password: it is not repeated.
            let address = "…@…".to_owned();
            return Err(ConnectError::Address { address, problem: "it contains a login, which belongs in a Secret" });
        }
        let uri: Uri = self.address.parse().map_err(|_| wrong("it is not a URI"))?;
        if uri.host().is_none_or(|host| host.is_empty() || host == "[]") {
            return Err(wrong("it has no host"));
        }
        match uri.port_u16() {
            None => Err(wrong("it has no port from 1 to 65535")),
            Some(0) => Err(wrong("its port is 0")),
            Some(_) => Ok(uri),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    fn uri(address: &str) -> Result<Uri, ConnectError> {
        let request_timeout = Duration::from_secs(1);
        ConnectOptions { address: address.to_owned(), tls: None, login: None, request_timeout }.uri()
    }

    fn user(name: &str, password: &str) -> Login {
        Login::User { name: name.to_owned(), password: password.into() }
    }

    #[test]
    fn addresses_with_host_and_port_are_taken() {
        for rest in ["milvus:19530", "10.0.0.1:80", "[::1]:19530", "a.b.svc:65535"] {
            for address in [format!("http://{rest}"), format!("https://{rest}")] {
                assert!(uri(&address).is_ok(), "{address}");
            }
        }
    }

    #[test]
    fn every_other_address_is_refused() {
        let wrong = [
            "",
            "milvus",
            "milvus:19530",
            "http://",
            "http://milvus",
            "http://milvus:",
            "http://:19530",
            "http://milvus:0",
            "http://milvus:65536",
            "http://milvus:x",
            "http://milvus:19530/",
            "http://milvus:19530/v2",
            "http://[]:19530",
            "http://milvus:19530?a=b",
            "http://milvus:19530#a",
            "ftp://milvus:21",
            "HTTP://milvus:19530",
            "http://a b:1",
            "http://milvus:19530:19530",
            " http://milvus:19530",
            "http://[::1:19530",
            "unix:///tmp/socket",
            "http://a\n:1",
        ];
        for address in wrong {
            assert!(matches!(uri(address), Err(ConnectError::Address { .. })), "{address:?}: {:?}", uri(address));
        }
    }

    #[test]
    fn a_password_in_the_address_is_not_repeated() {
        let error = uri("http://root:hunter2@milvus:19530").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn logins_are_padded_base64_without_a_scheme_word() {
        let value = user("root", "Milvus").authorization().unwrap();
        assert_eq!(value.to_str().unwrap(), "cm9vdDpNaWx2dXM=");
        assert!(value.is_sensitive());
        let value = Login::Token("abcd".into()).authorization().unwrap();
        assert_eq!(value.to_str().unwrap(), "YWJjZA==");
    }

    #[test]
    fn logins_that_milvus_would_misread_are_refused() {
        assert_eq!(user("a:b", "c").authorization().unwrap_err(), ConnectError::UserName);
        assert_eq!(user("", "c").authorization().unwrap_err(), ConnectError::EmptyLogin);
        assert_eq!(Login::Token("".into()).authorization().unwrap_err(), ConnectError::EmptyLogin);
        assert!(user("a", "b:c").authorization().is_ok());
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let text = format!("{:?} {:?}", user("root", "hunter2"), Login::Token("hunter3".into()));
        assert!(!text.contains("hunter"), "{text}");
    }
}
