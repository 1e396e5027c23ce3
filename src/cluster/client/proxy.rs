//! The way to the API server through a proxy, as kubectl goes it: by the kubeconfig's `proxy-url`, else by `HTTPS_PROXY`
//! unless `NO_PROXY` exempts the server. kube asks instead whether the proxy is exempt, and cannot read a `NO_PROXY` with an
//! empty entry. In a pod neither asks for a proxy.

use std::net::IpAddr;

use anyhow::bail;
use axum::http::Uri;
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::{
        legacy::{
            self,
            connect::{
                HttpConnector,
                proxy::{SocksV5, Tunnel},
            },
        },
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt},
};
use tower::{BoxError, ServiceBuilder};

/// A client for this configuration.
///
/// # Errors
/// When the configuration makes no sense, or its proxy speaks a protocol that we do not.
pub(super) fn client(mut config: Config, of_kubeconfig: Option<&str>) -> anyhow::Result<Client> {
    // Set where the kubeconfig or the environment names one for any server.
    let proxy = config.proxy_url.take().and_then(|_| {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        choose(&config.cluster_url, of_kubeconfig, variable)
    });
    match proxy {
        None => Ok(Client::try_from(config)?),
        Some(proxy) => {
            tracing::info!(proxy = %proxy.uri(), "using a proxy for the API server");
            through(config, &proxy)
        }
    }
}

/// The proxy to `server`, if it is to be reached by one.
fn choose(server: &Uri, of_kubeconfig: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Option<Intercept> {
    if let Some(url) = of_kubeconfig {
        return Matcher::builder().all(url).build().intercept(server);
    }
    if is_this_host(server) {
        return None;
    }
    let variable = |name: &str| variable(name).or_else(|| variable(&name.to_lowercase())).unwrap_or_default();
    let exempt = exempt(&variable("NO_PROXY"), server.port_u16().unwrap_or(443));
    Matcher::builder().https(variable("HTTPS_PROXY")).no(exempt).build().intercept(server)
}

/// No proxy leads there, so no list has to name it.
fn is_this_host(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The hosts that are exempt at `port`: an entry can name one.
fn exempt(list: &str, port: u16) -> String {
    let host = |entry: &str| match entry.rsplit_once(':') {
        Some((host, of)) if !host.contains(':') || host.ends_with(']') => {
            (of.parse() == Ok(port)).then(|| host.trim_matches(['[', ']']).to_owned())
        }
        _ => Some(entry.trim_matches(['[', ']']).to_owned()),
    };
    list.split(',').filter_map(|entry| host(entry.trim())).collect::<Vec<_>>().join(",")
}

/// A client whose connections go through `proxy`.
fn through(config: Config, proxy: &Intercept) -> anyhow::Result<Client> {
    let mut direct = HttpConnector::new();
    direct.enforce_http(false);
    match proxy.uri().scheme_str() {
        Some("http") => over(config, tunnel(proxy, direct)),
        Some("https") => {
            let connector = config.rustls_https_connector_with_connector(direct)?;
            over(config, tunnel(proxy, connector))
        }
        Some("socks5" | "socks5h") => {
            let socks = SocksV5::new(proxy.uri().clone(), direct);
            over(
                config,
                match proxy.raw_auth() {
                    Some((user, password)) => socks.with_auth(user.to_owned(), password.to_owned()),
                    None => socks,
                },
            )
        }
        _ => bail!("the proxy {} is none of http, https and socks5", proxy.uri()),
    }
}

fn tunnel<C>(proxy: &Intercept, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri().clone(), connector);
    match proxy.basic_auth() {
        Some(login) => tunnel.with_auth(login.clone()),
        None => tunnel,
    }
}

/// What kube builds, over this connector.
fn over<C>(config: Config, connector: C) -> anyhow::Result<Client>
where
    C: tower::Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: legacy::connect::Connection + hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(connector)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_write_timeout(config.write_timeout);
    let http: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const PROXY: (&str, &str) = ("HTTPS_PROXY", "http://proxy:3128");

    /// The proxy that kubectl takes.
    fn chosen(server: &str, of_kubeconfig: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        choose(&server.parse().unwrap(), of_kubeconfig, variable).map(|proxy| proxy.uri().to_string())
    }

    #[test]
    fn the_proxy_is_the_kubeconfigs_or_that_of_the_environment() {
        let (server, through) = ("https://api.example.com:6443", |url: &str| Some(format!("{url}/")));
        assert_eq!(chosen(server, None, &[]), None);
        assert_eq!(chosen(server, None, &[PROXY]), through("http://proxy:3128"));
        assert_eq!(chosen(server, None, &[("https_proxy", "proxy:3128")]), through("http://proxy:3128"));
        assert_eq!(chosen(server, None, &[("HTTP_PROXY", "http://proxy:3128")]), None, "it is for http://");
        let all_exempt = [PROXY, ("NO_PROXY", "*")];
        assert_eq!(chosen(server, Some("socks5://bastion:1080"), &all_exempt), through("socks5://bastion:1080"));
    }

    #[test]
    fn a_server_that_is_exempt_is_reached_without_a_proxy() {
        let of = |server: &str, exempt: &str| chosen(server, None, &[PROXY, ("NO_PROXY", exempt)]).is_none();
        for exempt in ["*", "api.example.com", ".example.com", "a, example.com,", ",,example.com", "example.com:6443"] {
            assert!(of("https://api.example.com:6443", exempt), "{exempt}");
        }
        for other in ["", "proxy", "10.0.0.0/8", "ple.com", "example.com:443", "www.example.com"] {
            assert!(!of("https://api.example.com:6443", other), "{other}");
        }
        assert!(of("https://10.0.0.1", "10.0.0.0/8") && of("https://10.0.0.1", "10.0.0.1:443"));
        assert!(of("https://[fd00::1]:6443", "fd00::/8") && of("https://[fd00::1]:6443", "[fd00::1]:6443"));
        assert!(of("https://[fd00::1]:6443", "fd00::1") && !of("https://[fd00::1]:6443", "fd00::2"));
        for here in ["https://localhost:6443", "https://127.0.0.1:6443", "https://[::1]:6443"] {
            assert!(of(here, ""), "{here}");
        }
    }

    #[tokio::test]
    async fn a_request_goes_through_the_proxy_with_its_login() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://user:p%40ss@{}", listener.local_addr().unwrap());
        let proxy = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let asked = head(&mut connection).await;
            connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let request = head(&mut connection).await;
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            (asked, request)
        });
        let config = Config::new("http://api.example.com:6443".parse().unwrap());
        let proxies = Matcher::builder().all(url).build();
        let client =
            through(config, &proxies.intercept(&"https://api.example.com:6443".parse().unwrap()).unwrap()).unwrap();
        let answer = client.request_text(axum::http::Request::get("/version").body(Vec::new()).unwrap()).await.unwrap();
        assert_eq!(answer, "ok");
        let (asked, request) = proxy.await.unwrap();
        assert!(asked.starts_with("CONNECT api.example.com:6443 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("Basic dXNlcjpwQHNz"), "{asked}");
        assert!(request.starts_with("GET /version HTTP/1.1\r\n"), "{request}");
    }

    /// A request up to its empty line.
    async fn head(connection: &mut tokio::net::TcpStream) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            text.push(connection.read_u8().await.unwrap());
        }
        String::from_utf8(text).unwrap()
    }
}
