//! Who we are to a catalog: a token, which may have to be fetched.

use std::{sync::Arc, time::Duration};

use hyper::{
    Request, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use object_store::client::HttpRequestBody;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};

use super::{
    super::{
        access::{Login, invalid},
        port::CatalogError,
    },
    answer,
    refusal::{Server, Subject},
};
use crate::{
    milvus::scrub::{Scrubber, Secrets},
    web::{self, Http},
};

/// Longest answer of a token server, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// How long a token counts of which nobody says it.
const LIFETIME: Duration = Duration::from_secs(300);

/// No token counts longer.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// So long before its end a token is not used any more, or a tenth of its time where that is less.
const MARGIN: Duration = Duration::from_secs(60);

/// Gives requests their tokens.
#[derive(Debug)]
pub(super) struct Logins {
    how: How,
    scrubber: Scrubber,
    _secrets: Arc<Secrets>,
}

#[derive(Debug)]
enum How {
    /// The same each time, or none.
    Fixed(Option<HeaderValue>),
    /// From a token server.
    Fetched {
        server: Server,
        uri: String,
        /// What it is sent.
        form: SecretString,
        current: Mutex<Option<Token>>,
    },
}

/// A token that counts.
#[derive(Debug)]
struct Token {
    bearer: HeaderValue,
    until: Instant,
    _secrets: Arc<Secrets>,
}

/// What a token server says.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// Seconds; some write them as a text.
    expires_in: Option<Value>,
}

impl Logins {
    /// For `login`, whose secrets `scrubber` learns.
    ///
    /// # Errors
    /// When no request can hold the token.
    pub(super) fn new(login: &Login, scrubber: Scrubber) -> Result<Self, CatalogError> {
        let (how, secrets) = match login {
            Login::None => (How::Fixed(None), vec![]),
            Login::Token(token) => {
                let bearer = bearer(token.expose_secret()).ok_or_else(|| invalid("No request can hold the token."))?;
                (How::Fixed(Some(bearer)), vec![token.clone()])
            }
            Login::Client { id, secret, token_uri, scope } => {
                let encoded = |text: &SecretString| web::encoded(text.expose_secret()).to_string();
                let (encoded_id, encoded_secret) = (encoded(id), encoded(secret));
                let mut form =
                    format!("grant_type=client_credentials&client_id={encoded_id}&client_secret={encoded_secret}");
                if let Some(scope) = scope {
                    form.push_str(&format!("&scope={}", web::encoded(scope)));
                }
                let name = format!("The token server of the Iceberg catalog at {}", web::host_of(token_uri));
                let how = How::Fetched {
                    server: Server::new(name, scrubber.clone()),
                    uri: token_uri.clone(),
                    form: form.into(),
                    current: Mutex::default(),
                };
                (how, vec![id.clone(), secret.clone(), encoded_id.into(), encoded_secret.into()])
            }
        };
        let secrets = Secrets::new(secrets);
        scrubber.learn(&secrets);
        Ok(Self { how, scrubber, _secrets: secrets })
    }

    /// The header of a request. A token is fetched where there is none that counts, by one look at a time.
    pub(super) async fn bearer(&self, http: &Http) -> Result<Option<HeaderValue>, CatalogError> {
        let (server, uri, form, current) = match &self.how {
            How::Fixed(bearer) => return Ok(bearer.clone()),
            How::Fetched { server, uri, form, current } => (server, uri, form, current),
        };
        let mut current = current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| Instant::now() < token.until) {
            return Ok(Some(token.bearer.clone()));
        }
        let asked = Instant::now();
        let request = Request::post(uri).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(HttpRequestBody::from(form.expose_secret().to_owned()));
        let request =
            request.map_err(|_| invalid("tokenURI of the connection's catalog cannot be used. Correct it."))?;
        let answer = http.open(request, MAX_ANSWER).await.map_err(|failure| server.failed(&failure))?;
        if answer.status() != StatusCode::OK {
            return Err(server.refused(Subject::Token, answer).await);
        }
        let granted: Granted =
            answer::read(answer.into_body(), MAX_ANSWER).await.map_err(|unread| server.unread(&unread))?;
        let bearer = bearer(&granted.access_token)
            .ok_or_else(|| server.malformed("it gives out a token that no request can hold"))?;
        let secrets = Secrets::new([granted.access_token.into()]);
        self.scrubber.learn(&secrets);
        let until = asked + lifetime(granted.expires_in.as_ref());
        Ok(Some(current.insert(Token { bearer, until, _secrets: secrets }).bearer.clone()))
    }

    /// Uses a token no more that was not taken, and tells whether another one can be had.
    pub(super) async fn forget(&self, bearer: Option<&HeaderValue>) -> bool {
        let How::Fetched { current, .. } = &self.how else { return false };
        let mut current = current.lock().await;
        // Another look may have fetched one already.
        if current.as_ref().map(|token| &token.bearer) == bearer {
            *current = None;
        }
        true
    }
}

fn bearer(token: &str) -> Option<HeaderValue> {
    let usable = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| usable)?;
    bearer.set_sensitive(true);
    Some(bearer)
}

/// How long a token can be used.
fn lifetime(expires_in: Option<&Value>) -> Duration {
    let seconds = expires_in.and_then(|told| told.as_u64().or_else(|| told.as_str()?.parse().ok()));
    let told = seconds.map_or(LIFETIME, Duration::from_secs).min(MAX_LIFETIME);
    told - MARGIN.min(told / 10)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        for (told, seconds) in [
            (json!(3600), 3540),
            (json!("3600"), 3540),
            (json!(100), 90),
            (json!(0), 0),
            (json!(u64::MAX), 86_340),
            (json!(null), 270),
            (json!(-1), 270),
        ] {
            assert_eq!(lifetime(Some(&told)).as_secs(), seconds, "{told}");
        }
        assert_eq!(lifetime(None).as_secs(), 270);
    }

    #[test]
    fn no_debug_output_shows_a_token() {
        assert!(bearer("hunter2").is_some_and(|bearer| !format!("{bearer:?}").contains("hunter2")));
        for unusable in ["", "a b", "é", "a\nb"] {
            assert!(bearer(unusable).is_none(), "{unusable}");
        }
    }
}
