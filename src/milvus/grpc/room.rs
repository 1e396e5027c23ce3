//! How much of all Milvus' answers is in memory at a time.
//!
//! The length of an answer stands before it. An ordinary one passes as it comes. For a large one, room is taken from what all
//! connections have together as it comes, before more of it is read, and given back when it has been converted. A connection has
//! one large answer at a time, and each has to arrive at some speed, so no server keeps the others' room for long, nor more of it
//! than it has sent. While an answer waits,
//! HTTP/2 keeps the server from sending more of it than a window.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::future::BoxFuture;
use http_body::Frame;
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep},
};
use tonic::{
    body::Body,
    codegen::{Bytes, Service, StdError, http},
    transport::{Channel, Error},
};

use super::shares::{Share, Shares};

/// The longest answer for which no room is taken, in bytes: hundreds of jobs. The transport holds as much in its windows anyway.
pub(super) const ORDINARY: usize = 64 << 10;

/// What large answers may take together, in bytes. One of the largest fits.
const IN_ALL: usize = 64 << 20;

/// Room is taken in steps of this size.
const STEP: usize = 1 << 20;

/// How long a large answer may take to arrive, besides a second for each [`EACH_SECOND`].
const TO_ARRIVE: Duration = Duration::from_secs(5);
const EACH_SECOND: usize = 4 << 20;

/// What is asked for in a call whose answer can be large. A connection has few of each under way: one that waits for its turn
/// keeps a window of the connection, so more of them could keep the one whose turn it is from arriving, and with it everything
/// else; see [`super::connect`]. Checks do not keep starts waiting: each has places of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lists {
    Jobs,
    Segments,
}

impl fmt::Display for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jobs => "lists of jobs",
            Self::Segments => "lists of segments",
        })
    }
}

/// How many lists of jobs a connection has under way.
pub(super) const JOB_LISTS: u32 = 4;

/// How many lists of segments a connection has under way.
pub(super) const SEGMENT_LISTS: u32 = 2;

/// What precedes an answer on the wire: a flag and the length.
const HEAD: usize = 5;

static ALL: LazyLock<Shares> = LazyLock::new(|| Shares::new(IN_ALL));

/// The room of one connection.
#[derive(Clone, Debug)]
pub(super) struct Room {
    all: Shares,
    /// The connection's one large answer.
    own: Arc<Semaphore>,
    job_lists: Arc<Semaphore>,
    segment_lists: Arc<Semaphore>,
}

/// The connection's turn, and what its answer has of the room of all.
type Taken = (Option<OwnedSemaphorePermit>, Share);

impl Room {
    /// For a connection, out of that of the process.
    pub(super) fn of_connection() -> Self {
        let [own, job_lists, segment_lists] =
            [1, JOB_LISTS, SEGMENT_LISTS].map(|count| Arc::new(Semaphore::new(count as usize)));
        Self { all: ALL.clone(), own, job_lists, segment_lists }
    }

    /// Waits until another one of these may be asked for, in order of arrival. It is over when what this gives is dropped.
    pub(super) async fn turn(&self, lists: Lists) -> Option<OwnedSemaphorePermit> {
        let places = match lists {
            Lists::Jobs => &self.job_lists,
            Lists::Segments => &self.segment_lists,
        };
        places.clone().acquire_owned().await.ok()
    }

    /// The first `step` for an answer of so many bytes.
    fn take(&self, bytes: usize, step: usize) -> BoxFuture<'static, Option<Taken>> {
        let Self { all, own, .. } = self.clone();
        Box::pin(async move {
            // The connection's own turn first: what waits for it takes nothing from others.
            let own = own.acquire_owned().await.ok();
            let share = all.of(bytes);
            share.more(step).await;
            Some((own, share))
        })
    }
}

/// The room that one answer has taken, until this is dropped.
#[derive(Clone, Debug, Default)]
#[must_use]
pub(super) struct Place(Arc<Mutex<Option<Taken>>>);

impl Place {
    fn fill(&self, taken: Taken) {
        *self.0.lock() = Some(taken);
    }

    /// Another `step`, if it has one already.
    fn more(&self, step: usize) -> Option<BoxFuture<'static, Option<Taken>>> {
        let more = self.0.lock().as_ref()?.1.more(step);
        Some(Box::pin(async move {
            more.await;
            None
        }))
    }
}

/// The channel, for one call.
#[derive(Clone)]
pub(super) struct Metering {
    pub channel: Channel,
    pub room: Room,
    /// Where the room of the answer goes.
    pub place: Place,
    /// The longest answer that is read, in bytes.
    pub longest: usize,
}

impl Service<http::Request<Body>> for Metering {
    type Response = http::Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let response = self.channel.call(request);
        let Self { room, place, longest, .. } = self.clone();
        Box::pin(async move { Ok(response.await?.map(|body| Body::new(Metered::new(body, room, place, longest)))) })
    }
}

/// Why the rest of an answer is not read.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("it began a large response and did not send the rest in time")]
    Slow,
    #[error("it sent more than one response")]
    More,
}

/// The body of an answer.
struct Metered {
    body: Body,
    room: Room,
    place: Place,
    longest: usize,
    head: Vec<u8>,
    /// Bytes that have come.
    came: usize,
    /// Bytes for which there is room.
    room_for: usize,
    /// What waits for room.
    waiting: Option<Waiting>,
    until: Option<Pin<Box<Sleep>>>,
}

struct Waiting {
    room: BoxFuture<'static, Option<Taken>>,
    /// What came with it.
    data: Bytes,
    since: Instant,
}

impl Metered {
    fn new(body: Body, room: Room, place: Place, longest: usize) -> Self {
        Self { body, room, place, longest, head: Vec::new(), came: 0, room_for: 0, waiting: None, until: None }
    }

    /// How long the answer is, once its head has come.
    fn length(&self) -> Option<usize> {
        let (_flag, length) = self.head.split_first()?;
        usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()
    }

    /// Takes note of what has come; how much more room is needed for it, and for an answer of which length.
    fn note(&mut self, data: &Bytes) -> Result<Option<(usize, usize)>, Cut> {
        let missing = HEAD.saturating_sub(self.head.len());
        self.head.extend(data.iter().take(missing));
        self.came = self.came.saturating_add(data.len());
        let Some(length) = self.length() else { return Ok(None) };
        if self.came > HEAD.saturating_add(length) {
            return Err(Cut::More);
        }
        // One that is too long is refused by its head.
        if length <= ORDINARY || length > self.longest {
            return Ok(None);
        }
        let needed = self.came.next_multiple_of(STEP).min(length);
        let step = needed.saturating_sub(self.room_for);
        Ok((step > 0).then_some((step, length)))
    }

    /// How long an answer of this length may take to arrive.
    fn time(length: usize) -> Duration {
        let seconds = u64::try_from(length.div_ceil(EACH_SECOND)).unwrap_or_default();
        TO_ARRIVE.saturating_add(Duration::from_secs(seconds))
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let this = &mut *self;
        if this.waiting.is_none() {
            if let Some(until) = &mut this.until
                && until.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Some(Err(Cut::Slow.into())));
            }
            let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)?) else { return Poll::Ready(None) };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            match this.note(&data)? {
                None => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some((step, length)) => {
                    this.room_for = this.room_for.saturating_add(step);
                    let room = this.place.more(step).unwrap_or_else(|| this.room.take(length, step));
                    this.waiting = Some(Waiting { room, data, since: Instant::now() });
                }
            }
        }
        let Some(Waiting { room, since, .. }) = &mut this.waiting else { return Poll::Ready(None) };
        if let Some(taken) = ready!(room.as_mut().poll(cx)) {
            this.place.fill(taken);
        }
        match &mut this.until {
            None => {
                let time = Self::time(this.length().unwrap_or_default());
                this.until = Some(Box::pin(tokio::time::sleep(time)));
            }
            // The server was kept waiting.
            Some(until) => {
                let deadline = until.deadline() + since.elapsed();
                until.as_mut().reset(deadline);
            }
        }
        Poll::Ready(this.waiting.take().map(|Waiting { data, .. }| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests;
