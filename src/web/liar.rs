//! A server on loopback that says what a test wants it to.

#![allow(clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What a request asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// With the query.
    pub(crate) target: String,
    /// Names in lower case, one a line.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Asked {
    /// The value of a header, whose name is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    /// The value of a parameter of the query, encoded as it came.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').filter_map(|pair| pair.split_once('=')).find_map(|(key, value)| (key == name).then_some(value))
    }
}

/// What is answered.
pub(crate) enum Answer {
    /// A status, header lines, a body.
    Says(u16, &'static str, String),
    /// Bytes as they are, then the connection's end.
    Raw(Vec<u8>),
    /// Bytes as they are, then nothing for as long as the client waits.
    Stalls(Vec<u8>),
    /// Nothing, for as long as the client waits.
    Hangs,
}

/// A server that ends with the test.
pub(crate) struct Liar {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Liar {
    /// Answers each request as `answer` has it, which is told how many were before it.
    pub(crate) async fn start(answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, number, answer) = (asked.clone(), Arc::new(AtomicUsize::new(0)), Arc::new(answer));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, number, answer) = (log.clone(), number.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(asked) = read(&mut stream).await {
                        log.lock().push(asked.clone());
                        if write(&mut stream, answer(&asked, number.fetch_add(1, Ordering::SeqCst))).await.is_none() {
                            break;
                        }
                    }
                });
            }
        });
        Self { address, asked, accepting }
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|&read| read > 0)?;
    let mut asked = Asked { target: line.split(' ').nth(1)?.to_owned(), ..Asked::default() };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|&read| read > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => asked.headers += &format!("{}:{value}\n", name.to_lowercase()),
            None => break,
        }
    }
    let mut body = vec![0; asked.header("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}

/// `None` where the connection is over.
async fn write(stream: &mut BufReader<TcpStream>, answer: Answer) -> Option<()> {
    let bytes = match answer {
        Answer::Says(status, headers, body) => {
            format!("HTTP/1.1 {status} x\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
        }
        Answer::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            return None;
        }
        Answer::Stalls(bytes) => {
            let _ = stream.write_all(&bytes).await;
            until_the_client_goes(stream).await;
            return None;
        }
        Answer::Hangs => {
            until_the_client_goes(stream).await;
            return None;
        }
    };
    stream.write_all(&bytes).await.ok()
}

async fn until_the_client_goes(stream: &mut BufReader<TcpStream>) {
    let _ = stream.read_u8().await;
}
