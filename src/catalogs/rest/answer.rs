//! The answers of the protocol: of each only what is needed.

use std::{
    io::{self, Read},
    marker::PhantomData,
};

use hyper::body::{Buf, Bytes};
use serde::{
    Deserialize,
    de::{DeserializeOwned, DeserializeSeed},
};
use tokio::{sync::mpsc, task};

use super::guard::Guard;
use crate::web::{Body, Failure};

/// How the catalog wants to be asked. Its other properties, which may be credentials, are passed over.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    /// What counts where nothing else is said.
    pub(super) defaults: Option<Properties>,
    /// What counts whatever else is said.
    pub(super) overrides: Option<Properties>,
}

/// Of them those that change where a table is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Properties {
    pub(super) prefix: Option<String>,
    pub(super) namespace_separator: Option<String>,
}

/// Why an answer could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It did not come.
    Failed(Failure),
    /// A part of it would take memory.
    TooLarge,
    /// It is none of the protocol. What the parser says of it would repeat some of it.
    Malformed,
}

/// Reads an answer of at most `limit` bytes.
pub(super) async fn read<T: DeserializeOwned + Send + 'static>(body: Body, limit: usize) -> Result<T, Unread> {
    read_by(PhantomData::<T>, body, limit).await
}

/// Reads an answer of at most `limit` bytes as it comes, without keeping more than a piece of it and what `seed` keeps.
pub(super) async fn read_by<S>(seed: S, mut body: Body, limit: usize) -> Result<S::Value, Unread>
where
    S: DeserializeSeed<'static> + Send + 'static,
    S::Value: Send,
{
    let (pieces, received) = mpsc::channel(1);
    // The parser waits for its input. It ends with us: without a sender, the input is over.
    let parsing = task::spawn_blocking(move || parse(seed, Pieces { received, piece: Bytes::new() }));
    let mut came = 0_usize;
    while let Some(piece) = body.next().await.map_err(Unread::Failed)? {
        came = came.saturating_add(piece.len());
        if came > limit {
            return Err(Unread::Failed(Failure::TooLong(limit)));
        }
        // The parser has seen enough.
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    drop(pieces);
    parsing.await.unwrap_or(Err(Unread::Malformed))
}

fn parse<S: DeserializeSeed<'static>>(seed: S, input: impl Read) -> Result<S::Value, Unread> {
    let mut input = serde_json::Deserializer::from_reader(io::BufReader::new(Guard::new(input)));
    let read = seed.deserialize(&mut input).and_then(|read| input.end().map(|()| read));
    // Only the guard fails: who sends the pieces only ends.
    read.map_err(|error| if error.is_io() { Unread::TooLarge } else { Unread::Malformed })
}

/// An input that comes in pieces.
struct Pieces {
    received: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.received.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        (&mut self.piece).reader().read(into)
    }
}
