//! Connections: accepted, served, and cut at once when Milvus is to go away.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    body::Body,
    codegen::{BoxFuture, Bytes, Service, http},
};

use super::service::Server;
use crate::milvus::wire::milvus::milvus_service_server::MilvusServiceServer;

/// Marks a response whose message is to be replaced by bytes that are none.
#[derive(Clone)]
pub(super) struct Garbage;

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
    pub(super) fn start(listener: TcpListener, server: Server) -> Self {
        let running = Self { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let (stop, tasks) = (running.stop.clone(), running.tasks.clone());
        running.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = accept(listener, server, &stop, &tasks) => {}
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

async fn accept(listener: TcpListener, server: Server, stop: &CancellationToken, tasks: &TaskTracker) {
    let service = TowerToHyperService::new(Wire(MilvusServiceServer::new(server)));
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
        let (service, stop) = (service.clone(), stop.clone());
        tasks.spawn(async move {
            let http = auto::Builder::new(TokioExecutor::new()).http2_only();
            tokio::select! {
                () = stop.cancelled() => {}
                // A broken connection is the client's news.
                _ = http.serve_connection(TokioIo::new(stream), service) => {}
            }
        });
    }
}

/// The generated service, with answers marked as [`Garbage`] spoiled.
#[derive(Clone)]
struct Wire<S>(S);

impl<S, B> Service<http::Request<B>> for Wire<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let answer = self.0.call(request);
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
