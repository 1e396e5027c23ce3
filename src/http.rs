//! /livez, /readyz and /metrics.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{controller::Process, metrics::CONTENT_TYPE};

/// How many connections may wait to be taken: Prometheus and the kubelet are the only guests.
const BACKLOG: i32 = 128;

/// Listens on `address`. `[::]` stands for all addresses of both families, and of IPv4 where the host has no IPv6.
///
/// # Errors
/// When the address is not one of this host, is taken, or is not for everybody to listen on.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    on_either_family(address, bind)
}

fn on_either_family<T>(address: SocketAddr, bind: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    match bind(address) {
        Err(error)
            if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                && !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) =>
        {
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        bound => bound,
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // The system's default is either.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves until `stop` is cancelled. The process is ready as long as it answers: readiness never depends on Milvus, nor
/// on which replica leads.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, process: Process, stop: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(|| async { "ok" }))
        .route("/metrics", get(metrics))
        .with_state(process);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn livez(State(process): State<Process>) -> (StatusCode, String) {
    match process.health.check() {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(problem) => {
            tracing::error!("{problem}; /livez fails, so that the kubelet (or whatever runs this process) restarts it");
            (StatusCode::SERVICE_UNAVAILABLE, problem)
        }
    }
}

async fn metrics(State(process): State<Process>) -> Result<impl IntoResponse, StatusCode> {
    let page = process.metrics.page(process.clock.now(), process.leadership.leads());
    page.map(|page| ([(header::CONTENT_TYPE, CONTENT_TYPE)], page)).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use jiff::Timestamp;
    use tokio::{
        net::TcpStream,
        time::{Duration, advance},
    };

    use super::*;
    use crate::{clock::Clock, health::LONGEST_PASS, leader::Leadership};

    #[tokio::test(start_paused = true)]
    async fn livez_says_what_does_not_go_on_any_more() {
        let process = Process {
            metrics: Arc::default(),
            health: Arc::default(),
            leadership: Leadership::without_election(),
            clock: Clock { now: || Timestamp::UNIX_EPOCH, random: || 0.5, nonce: || 0 },
        };
        let _working = process.health.pass("refresh shop/orders".to_owned());
        assert_eq!(livez(State(process.clone())).await, (StatusCode::OK, "ok".to_owned()));
        advance(LONGEST_PASS + Duration::from_secs(1)).await;
        let (code, body) = livez(State(process)).await;
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("refresh shop/orders"), "{body}");
    }

    #[tokio::test]
    async fn all_addresses_are_those_of_both_families() {
        let port = listen("[::]:0".parse().unwrap()).unwrap();
        let listener = port.local_addr().unwrap();
        for address in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            // A host without IPv6 has nobody to be reached by it.
            if bind((address, 0).into()).is_ok() {
                TcpStream::connect((address, listener.port())).await.unwrap();
            }
        }
    }

    #[test]
    fn a_host_without_ipv6_is_listened_on_by_ipv4_and_no_other_trouble_is_covered_up() {
        let all: SocketAddr = "[::]:8080".parse().unwrap();
        let refusing = |kind: io::ErrorKind| {
            move |address: SocketAddr| {
                if address.is_ipv6() { Err(io::Error::from(kind)) } else { Ok(address) }
            }
        };
        for kind in [io::ErrorKind::Unsupported, io::ErrorKind::AddrNotAvailable] {
            assert_eq!(on_either_family(all, refusing(kind)).unwrap(), "0.0.0.0:8080".parse().unwrap());
        }
        for kind in [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied] {
            assert_eq!(on_either_family(all, refusing(kind)).unwrap_err().kind(), kind);
        }
        let one = on_either_family("[::1]:8080".parse().unwrap(), refusing(io::ErrorKind::AddrNotAvailable));
        assert_eq!(one.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable, "an address that was named is meant");
    }
}
