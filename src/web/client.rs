//! One HTTP request.

use std::{
    error::Error,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
    vec,
};

use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use hyper::{
    Response, Uri,
    body::{Bytes, Incoming},
    http::uri::Scheme,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        self, Client,
        connect::{
            HttpConnector as Tcp,
            dns::{GaiAddrs, GaiResolver},
        },
    },
    rt::{TokioExecutor, TokioTimer},
};
use object_store::client::{HttpRequest, HttpRequestBody};
use tower::{ServiceExt, util::MapResult};

use super::tls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

type Resolved = io::Result<vec::IntoIter<SocketAddr>>;
type Resolver = MapResult<GaiResolver, fn(io::Result<GaiAddrs>) -> Resolved>;

/// A client with its connections. Clones share them.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client<HttpsConnector<Tcp<Resolver>>, HttpRequestBody>,
    heard: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// Why there is no answer: to go on after the name of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// TLS.
    #[error("{0}")]
    Certificate(String),
    /// There is no connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// The answer is longer than these bytes.
    #[error("its answer is larger than {}, more than the operator reads", size(*.0))]
    TooLong(usize),
    /// There the cloud gives the node's own credentials to whoever asks.
    #[error("its address is link-local, where clouds keep credentials of nodes. Use another address")]
    LinkLocal,
}

impl Http {
    /// A client that trusts the authorities in `ca` (PEM), or else those of the system.
    ///
    /// # Errors
    /// A sentence about the authorities.
    pub(crate) fn new(ca: Option<&str>) -> Result<Self, String> {
        let mut tcp = Tcp::new_with_resolver(GaiResolver::new().map_result(without_link_local as fn(_) -> _));
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls::config(ca)?).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .build(connector.wrap_connector(tcp));
        Ok(Self { client, heard: Arc::default() })
    }

    /// `heard` is called when a request is sent, by whichever clone. Only the first one counts.
    pub(crate) fn heard(&self, heard: impl Fn() + Send + Sync + 'static) {
        // Whoever hears already goes on.
        let _ = self.heard.set(Box::new(heard));
    }

    /// Sends a request. Of the answer's body at most `limit` bytes are read.
    ///
    /// A server may end a connection that rests just when a request is on its way. What only reads is therefore sent once more
    /// where the connection broke before the answer (RFC 9110, 9.2.2).
    pub(crate) async fn open(&self, request: HttpRequest, limit: usize) -> Result<Response<Body>, Failure> {
        if literal(request.uri()).is_some_and(is_link_local) {
            return Err(Failure::LinkLocal);
        }
        let plain = request.uri().scheme() == Some(&Scheme::HTTP);
        let again = request.method().is_safe().then(|| request.clone());
        let answer = match (self.request(request).await, again) {
            (Err(error), Some(again)) if !error.is_connect() => self.request(again).await,
            (answer, _) => answer,
        };
        let answer = answer.map_err(|error| failure(&error, plain))?;
        Ok(answer.map(|body| Body { body: Limited::new(body, limit), limit }))
    }

    async fn request(&self, request: HttpRequest) -> Result<Response<Incoming>, legacy::Error> {
        if let Some(heard) = self.heard.get() {
            heard();
        }
        self.client.request(request).await
    }

    /// Sends a request and reads the whole answer, which has at most `limit` bytes.
    pub(crate) async fn send(&self, request: HttpRequest, limit: usize) -> Result<Response<Bytes>, Failure> {
        let (parts, body) = self.open(request, limit).await?.into_parts();
        Ok(Response::from_parts(parts, body.whole().await?))
    }
}

/// The body of an answer, as it comes.
pub(crate) struct Body {
    body: Limited<Incoming>,
    limit: usize,
}

impl Body {
    /// The next piece of it; `None` at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(piece) = frame.map_err(|error| broken(&*error, self.limit))?.into_data() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// All of it.
    pub(crate) async fn whole(self) -> Result<Bytes, Failure> {
        let limit = self.limit;
        self.body.collect().await.map(Collected::to_bytes).map_err(|error| broken(&*error, limit))
    }
}

fn broken(error: &(dyn Error + 'static), limit: usize) -> Failure {
    if error.is::<LengthLimitError>() {
        return Failure::TooLong(limit);
    }
    Failure::Unreachable("the connection broke in the middle of its answer".to_owned())
}

fn size(bytes: usize) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
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
fn failure(error: &legacy::Error, plain: bool) -> Failure {
    let (what, advice) = match (error.is_connect(), plain) {
        (true, _) => ("there is no connection", ""),
        (false, true) => ("the connection broke before its answer", ". If it expects TLS, use https://"),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::web::liar::{Answer, Liar};

    /// What comes of a second request, where the connection breaks before its answer.
    async fn second(method: &str) -> (Result<Bytes, Failure>, usize) {
        let liar = Liar::start(|_, before| match before {
            1 => Answer::Raw(Vec::new()),
            _ => Answer::Says(200, "", format!("after {before}")),
        });
        let liar = liar.await;
        let http = Http::new(None).unwrap();
        let request = || {
            let request = hyper::Request::builder().method(method).uri(format!("http://{}/", liar.address));
            request.body(HttpRequestBody::empty()).unwrap()
        };
        http.send(request(), 100).await.unwrap();
        let answer = http.send(request(), 100).await.map(Response::into_body);
        (answer, liar.asked().len())
    }

    #[tokio::test]
    async fn what_only_reads_is_sent_once_more_where_a_connection_that_rested_breaks() {
        assert_eq!(second("GET").await, (Ok(Bytes::from("after 2")), 3));
    }

    #[tokio::test]
    async fn what_may_change_something_is_sent_once() {
        let (answer, asked) = second("POST").await;
        assert!(matches!(answer, Err(Failure::Unreachable(_))), "{answer:?}");
        assert_eq!(asked, 2);
    }

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
