//! Servers that do what a script says, right or wrong.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use h2::{Reason, server::SendResponse};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tonic::codegen::{Bytes, http};

use crate::milvus::{ConnectOptions, Login, grpc::GrpcMilvus};

/// Long enough for anything that ends by itself, on any machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn client(address: SocketAddr) -> GrpcMilvus {
    client_with(address, PATIENCE, None)
}

pub fn client_with(address: SocketAddr, request_timeout: Duration, login: Option<Login>) -> GrpcMilvus {
    GrpcMilvus::connect(ConnectOptions { address: format!("http://{address}"), tls: None, login, request_timeout })
        .unwrap()
}

/// What the server saw of a request.
pub struct Seen {
    pub path: String,
    pub headers: http::HeaderMap,
    pub message: Bytes,
}

/// What the server does with a request.
#[derive(Clone)]
pub enum Reply {
    Http {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
        trailers: Option<Vec<(&'static str, String)>>,
    },
    Reset(Reason),
    Hang,
    /// Ends the connection.
    Drop,
}

impl Reply {
    /// A gRPC success that carries `message`.
    pub fn message(message: &impl prost::Message) -> Self {
        Self::framed(&message.encode_to_vec(), vec![("content-type", "application/grpc".to_owned())])
    }

    pub fn framed(message: &[u8], headers: Vec<(&'static str, String)>) -> Self {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let body = [&[0], length.as_slice(), message].concat().into();
        Self::Http { status: 200, headers, body, trailers: Some(vec![("grpc-status", "0".to_owned())]) }
    }

    /// A gRPC failure without a message, as servers answer it: headers only.
    pub fn status(code: tonic::Code, text: &str) -> Self {
        let headers = vec![
            ("content-type", "application/grpc".to_owned()),
            ("grpc-status", (code as i32).to_string()),
            ("grpc-message", text.to_owned()),
        ];
        Self::Http { status: 200, headers, body: Bytes::new(), trailers: None }
    }

    /// An answer of something that is no gRPC server.
    pub fn web(status: u16, body: &'static str) -> Self {
        let headers = vec![("content-type", "text/html".to_owned())];
        Self::Http { status, headers, body: body.into(), trailers: None }
    }
}

/// Answers every request by `script`; also says how many there were.
pub async fn serve(script: impl Fn(Seen) -> Reply + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let script = Arc::new(script);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (script, counter) = (Arc::clone(&script), Arc::clone(&counter));
            tokio::spawn(async move {
                let (ended, mut end) = tokio::sync::mpsc::channel::<()>(1);
                let Ok(mut connection) = h2::server::handshake(socket).await else { return };
                loop {
                    let (request, respond) = tokio::select! {
                        accepted = connection.accept() => match accepted { Some(Ok(next)) => next, _ => return },
                        _ = end.recv() => return,
                    };
                    counter.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(answer(request, respond, Arc::clone(&script), ended.clone()));
                }
            });
        }
    });
    (address, requests)
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    script: Arc<impl Fn(Seen) -> Reply>,
    end: tokio::sync::mpsc::Sender<()>,
) {
    let (head, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(Ok(chunk)) = body.data().await {
        body.flow_control().release_capacity(chunk.len()).unwrap();
        bytes.extend_from_slice(&chunk);
    }
    let message = bytes.get(5..).unwrap_or_default().to_vec().into();
    let seen = Seen { path: head.uri.path().to_owned(), headers: head.headers, message };
    match script(seen) {
        Reply::Hang => {
            let _open = respond;
            std::future::pending::<()>().await;
        }
        Reply::Reset(reason) => respond.send_reset(reason),
        Reply::Drop => end.send(()).await.unwrap(),
        Reply::Http { status, headers, body, trailers } => {
            let mut response = http::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            let only_headers = body.is_empty() && trailers.is_none();
            let Ok(mut stream) = respond.send_response(response.body(()).unwrap(), only_headers) else { return };
            if only_headers {
                return;
            }
            let _ = stream.send_data(body, trailers.is_none());
            if let Some(trailers) = trailers {
                let map = trailers.into_iter().map(|(name, value)| {
                    (http::HeaderName::from_static(name), http::HeaderValue::try_from(value).unwrap())
                });
                let _ = stream.send_trailers(map.collect());
            }
        }
    }
}

/// Reads on each connection until the whole request is there, then does `then` with the connection.
pub async fn raw<F>(then: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            read_request(&mut socket).await;
            then(socket).await;
        }
    });
    address
}

/// The collection name of the tests is part of the message, which comes after the headers.
async fn read_request(socket: &mut TcpStream) {
    let mut bytes = Vec::new();
    while !bytes.windows(super::COLLECTION.len()).any(|part| part == super::COLLECTION.as_bytes()) {
        if socket.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
            return;
        }
    }
}

/// A server that says `bytes` after the request and then hangs up.
pub async fn saying(bytes: &'static [u8]) -> SocketAddr {
    raw(move |mut socket| async move {
        let _ = socket.write_all(bytes).await;
        let _ = socket.shutdown().await;
    })
    .await
}
