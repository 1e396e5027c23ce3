//! One HTTP request: over the TLS stack that kube brings, without proxies, redirects, retries or a look at the environment.

use std::{
    error::Error,
    fmt, io,
    net::{IpAddr, SocketAddr},
    time::Duration,
    vec,
};

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Response, Uri, body::Bytes, http::uri::Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{
            HttpConnector as Tcp,
            dns::{GaiAddrs, GaiResolver},
        },
    },
    rt::{TokioExecutor, TokioTimer},
};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use tower::{ServiceExt, util::MapResult};

use super::{
    port::{StoreError, StoreErrorKind},
    tls,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A page of a thousand of the longest keys is 2 MiB, of Azure 3 MiB.
const MAX_BODY: usize = 4 << 20;

type Resolved = io::Result<vec::IntoIter<SocketAddr>>;
type Resolver = MapResult<GaiResolver, fn(io::Result<GaiAddrs>) -> Resolved>;

/// A client with its connections. Clones share them.
#[derive(Clone)]
pub(super) struct Http(Client<HttpsConnector<Tcp<Resolver>>, HttpRequestBody>);

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// Why there is no answer: to go on after the name of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// TLS.
    #[error("{0}")]
    Certificate(String),
    /// There is no connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// The answer is longer than any page.
    #[error("its answer is larger than 4 MiB, which no listing is")]
    TooLong,
    /// There the cloud gives the node's own credentials to whoever asks.
    #[error("its address is link-local, where clouds keep credentials of nodes. Use another endpoint")]
    LinkLocal,
}

impl Failure {
    pub(super) fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Certificate(_) => StoreErrorKind::Certificate,
            Self::Unreachable(_) => StoreErrorKind::Unreachable,
            Self::TooLong => StoreErrorKind::Malformed,
            Self::LinkLocal => StoreErrorKind::Invalid,
        }
    }
}

impl Http {
    /// A client that trusts the authorities in `ca` (PEM), or else those of the system.
    pub(super) fn new(ca: Option<&str>) -> Result<Self, StoreError> {
        let mut tcp = Tcp::new_with_resolver(GaiResolver::new().map_result(without_link_local as fn(_) -> _));
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls::config(ca)?).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .build(connector.wrap_connector(tcp));
        Ok(Self(client))
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn send(&self, request: HttpRequest) -> Result<Response<Bytes>, Failure> {
        if literal(request.uri()).is_some_and(is_link_local) {
            return Err(Failure::LinkLocal);
        }
        let plain = request.uri().scheme() == Some(&Scheme::HTTP);
        let answer = self.0.request(request).await.map_err(|error| failure(&error, plain))?;
        let (parts, body) = answer.into_parts();
        match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => Ok(Response::from_parts(parts, body.to_bytes())),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Failure::TooLong),
            Err(_) => Err(Failure::Unreachable("the connection broke in the middle of its answer".to_owned())),
        }
    }
}

/// The host of a URI that is an address: no resolver sees it.
fn literal(uri: &Uri) -> Option<IpAddr> {
    uri.host()?.trim_matches(['[', ']']).parse().ok()
}

fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        // With the metadata service of AWS, which is in a range of its own.
        IpAddr::V6(address) => {
            address.is_unicast_link_local() || address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}

/// Whoever owns a name decides where it leads.
fn without_link_local(found: io::Result<GaiAddrs>) -> Resolved {
    let (refused, usable): (Vec<_>, Vec<_>) = found?.partition(|address| is_link_local(address.ip()));
    if usable.is_empty() && !refused.is_empty() {
        return Err(io::Error::other(Failure::LinkLocal));
    }
    Ok(usable.into_iter())
}

/// What the first cause that tells more says went wrong. `plain` is whether it was without TLS.
fn failure(error: &hyper_util::client::legacy::Error, plain: bool) -> Failure {
    let (what, advice) = match (error.is_connect(), plain) {
        (true, _) => ("there is no connection", ""),
        (false, true) => {
            ("the connection broke before its answer", ". If it expects TLS, use https:// in the endpoint")
        }
        (false, false) => ("the connection broke before its answer", ""),
    };
    let mut detail = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let inner = deepest(cause);
        if let Some(error) = inner.downcast_ref::<rustls::Error>() {
            return Failure::Certificate(tls::explain(error));
        }
        if let Some(failure) = inner.downcast_ref::<Failure>() {
            return failure.clone();
        }
        if let Some(error) = inner.downcast_ref::<io::Error>() {
            detail = match error.kind() {
                io::ErrorKind::TimedOut => " within 10 s".to_owned(),
                _ => format!(" ({error})"),
            };
        }
        next = cause.source();
    }
    Failure::Unreachable(format!("{what}{detail}{advice}"))
}

/// An I/O error may have what matters as its content rather than as its source.
fn deepest<'a>(cause: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => deepest(inner),
        None => cause,
    }
}

/// For what `object_store` asks itself: tokens.
impl HttpConnector for Http {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // A kind that is not repeated.
        let answer = self.send(request).await.map_err(|failure| HttpError::new(HttpErrorKind::Unknown, failure))?;
        let body = |bytes| HttpResponseBody::new(Full::<Bytes>::new(bytes).map_err(|never| match never {}));
        Ok(answer.map(body))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn link_local_addresses_are_known_in_every_spelling() {
        for uri in [
            "http://169.254.169.254/latest",
            "http://169.254.170.2:80/",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fd00:ec2::254]/",
        ] {
            assert!(literal(&uri.parse().unwrap()).is_some_and(is_link_local), "{uri}");
        }
        for uri in ["http://127.0.0.1/", "http://10.0.0.1:9000/", "http://[::1]/", "http://store.example/"] {
            assert!(!literal(&uri.parse().unwrap()).is_some_and(is_link_local), "{uri}");
        }
    }
}
