//! Connections: accepted, served, and cut at once when Milvus is to go away.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    body::Body,
    codegen::{BoxFuture, Bytes, Service, http},
};

use super::{Shared, service::Server};
use crate::wire::milvus::milvus_service_server::MilvusServiceServer;

/// Marks a response whose message is to be replaced by bytes that are none.
#[derive(Clone)]
pub(super) struct Garbage;

/// Numbers the connection that a request came in by.
#[derive(Clone, Copy)]
pub(super) struct Connection(pub(super) u64);

/// A gRPC frame of three bytes; they announce a field of two more, so no protobuf message decodes from it.
const GARBAGE_FRAME: &[u8] = &[0, 0, 0, 0, 3, 0x0a, 0x05, 0xff];

/// Between failed attempts to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound port with all its connections.
pub(super) struct Running {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// Serves in the current runtime.
    pub(super) fn start(listener: TcpListener, shared: Arc<Shared>) -> Self {
        let running = Self { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let (stop, tasks) = (running.stop.clone(), running.tasks.clone());
        running.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = accept(listener, shared, &stop, &tasks) => {}
            }
        });
        running
    }

    /// Closes the port and every connection.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: &CancellationToken, tasks: &TaskTracker) {
    let service = MilvusServiceServer::new(Server(shared.clone()));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // A connection that broke while it was accepted, or no file descriptor left.
                tracing::warn!(%error, "a connection could not be accepted, the simulator goes on");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Small answers must not wait for the client's acknowledgement.
        _ = stream.set_nodelay(true);
        let (tls, connection) = shared.connected();
        let wire = Wire { service: service.clone(), connection };
        let stop = stop.clone();
        tasks.spawn(async move {
            let served = async {
                match tls {
                    None => serve(stream, wire).await,
                    Some(tls) => {
                        if let Ok(stream) = TlsAcceptor::from(tls.0).accept(stream).await {
                            serve(stream, wire).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = served => {}
            }
        });
    }
}

/// Serves one connection to its end. A broken one is the client's news.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, wire: Wire<MilvusServiceServer<Server>>) {
    let http = auto::Builder::new(TokioExecutor::new()).http2_only();
    _ = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(wire)).await;
}

/// The generated service for one connection, with answers marked as [`Garbage`] spoiled.
#[derive(Clone)]
struct Wire<S> {
    service: S,
    connection: Connection,
}

impl<S, B> Service<http::Request<B>> for Wire<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.connection);
        let answer = self.service.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            if answer.extensions().get::<Garbage>().is_none() {
                return Ok(answer);
            }
            Ok(answer
                .map(|body| Body::new(body.map_frame(|frame| frame.map_data(|_| Bytes::from_static(GARBAGE_FRAME))))))
        })
    }
}
