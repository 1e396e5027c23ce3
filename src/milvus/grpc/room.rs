//! How much of all Milvus' answers is in memory at a time.
//!
//! The length of an answer stands before it. An ordinary one passes as it comes. For a large one, room is taken from what all
//! connections have together before more of it is read, and given back when it has been converted. A connection has one large
//! answer at a time, and each has to arrive at some speed, so no server keeps the others' room for long. While an answer waits,
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
    time::Sleep,
};
use tonic::{
    body::Body,
    codegen::{Bytes, Service, StdError, http},
    transport::{Channel, Error},
};

/// The longest answer for which no room is taken, in bytes: hundreds of jobs. The transport holds as much in its windows anyway.
pub(super) const ORDINARY: usize = 64 << 10;

/// What large answers may take together, in bytes. One of the largest fits.
const IN_ALL: usize = 64 << 20;

/// Room is counted in pieces of this size.
const PIECE: usize = 1 << 10;

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

static ALL: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(IN_ALL / PIECE)));

/// The room of one connection.
#[derive(Clone, Debug)]
pub(super) struct Room {
    all: Arc<Semaphore>,
    /// The connection's one large answer.
    own: Arc<Semaphore>,
    job_lists: Arc<Semaphore>,
    segment_lists: Arc<Semaphore>,
}

type Taken = [Option<OwnedSemaphorePermit>; 2];

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

    fn take(&self, bytes: usize) -> BoxFuture<'static, Taken> {
        let Self { all, own, .. } = self.clone();
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX);
        Box::pin(async move {
            // The connection's own turn first: what waits for it takes nothing from others.
            let own = own.acquire_owned().await.ok();
            [own, all.acquire_many_owned(pieces).await.ok()]
        })
    }
}

/// The room that one answer has taken, until this is dropped.
#[derive(Clone, Debug, Default)]
#[must_use]
pub(super) struct Place(Arc<Mutex<Taken>>);

impl Place {
    fn fill(&self, taken: Taken) {
        *self.0.lock() = taken;
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
    /// What waits for room, with what came with it.
    waiting: Option<(BoxFuture<'static, Taken>, Bytes)>,
    until: Option<Pin<Box<Sleep>>>,
}

impl Metered {
    fn new(body: Body, room: Room, place: Place, longest: usize) -> Self {
        Self { body, room, place, longest, head: Vec::new(), came: 0, waiting: None, until: None }
    }

    /// How long the answer is, once its head has come.
    fn length(&self) -> Option<usize> {
        let (_flag, length) = self.head.split_first()?;
        usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()
    }

    /// Takes note of what has come; the length of the answer if room is needed for it from now on.
    fn note(&mut self, data: &Bytes) -> Result<Option<usize>, Cut> {
        let known = self.length().is_some();
        let missing = HEAD.saturating_sub(self.head.len());
        self.head.extend(data.iter().take(missing));
        self.came = self.came.saturating_add(data.len());
        let Some(length) = self.length() else { return Ok(None) };
        if self.came > HEAD.saturating_add(length) {
            return Err(Cut::More);
        }
        // One that is too long is refused by its head.
        Ok((!known && length > ORDINARY && length <= self.longest).then_some(length))
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
                Some(length) => this.waiting = Some((this.room.take(length), data)),
            }
        }
        let Some((room, _)) = &mut this.waiting else { return Poll::Ready(None) };
        this.place.fill(ready!(room.as_mut().poll(cx)));
        let seconds = this.length().unwrap_or_default().div_ceil(EACH_SECOND);
        let time = TO_ARRIVE.saturating_add(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
        this.until = Some(Box::pin(tokio::time::sleep(time)));
        Poll::Ready(this.waiting.take().map(|(_, data)| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::collections::VecDeque;

    use http_body::Body as _;

    use super::*;

    /// A server that sends these pieces and then nothing more.
    struct Pieces(VecDeque<Bytes>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = StdError;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
            self.0.pop_front().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
        }
    }

    fn room(bytes: usize) -> Room {
        Room { all: Arc::new(Semaphore::new(bytes / PIECE)), ..Room::of_connection() }
    }

    /// The beginning of an answer that is announced to be so long, in three pieces.
    fn answer(room: &Room, length: usize) -> (Metered, Place) {
        let head = [&[0], u32::try_from(length).unwrap().to_be_bytes().as_slice()].concat();
        let pieces = [Bytes::from(head[..2].to_vec()), Bytes::from(head[2..].to_vec()), Bytes::from_static(b"x")];
        let place = Place::default();
        (Metered::new(Body::new(Pieces(pieces.into())), room.clone(), place.clone(), 4 << 20), place)
    }

    /// What has come of an answer by now.
    async fn came(answer: &mut Metered) -> usize {
        let mut bytes = 0;
        loop {
            let polled = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *answer).poll_frame(cx))).await;
            let Poll::Ready(Some(Ok(frame))) = polled else { return bytes };
            bytes += frame.into_data().unwrap().len();
        }
    }

    #[tokio::test]
    async fn an_ordinary_answer_needs_no_room_and_one_that_is_too_long_gets_none() {
        for length in [1, ORDINARY, (4 << 20) + 1] {
            let (mut answer, _place) = answer(&room(0), length);
            assert_eq!(came(&mut answer).await, HEAD + 1, "{length}");
        }
    }

    #[tokio::test]
    async fn a_large_answer_comes_when_there_is_room_and_keeps_it_until_it_is_converted() {
        let all = room(3 << 20);
        let (mut first, place) = answer(&all, 2 << 20);
        assert_eq!(came(&mut first).await, HEAD + 1);
        let other = Room { own: Arc::new(Semaphore::new(1)), ..all.clone() };
        let (mut second, _place) = answer(&other, 2 << 20);
        assert_eq!(came(&mut second).await, 2, "nothing but what came before its length was known");
        drop(first);
        assert_eq!(came(&mut second).await, 0, "the first is still being converted");
        drop(place);
        assert_eq!(came(&mut second).await, HEAD - 1);
    }

    #[tokio::test]
    async fn a_connection_has_one_large_answer_at_a_time_and_others_come_meanwhile() {
        let busy = room(64 << 20);
        let (mut first, _first) = answer(&busy, 2 << 20);
        assert_eq!(came(&mut first).await, HEAD + 1);
        let (mut second, _second) = answer(&busy, 2 << 20);
        assert_eq!(came(&mut second).await, 2);
        let other = Room { own: Arc::new(Semaphore::new(1)), ..busy };
        let (mut third, _third) = answer(&other, 2 << 20);
        assert_eq!(came(&mut third).await, HEAD + 1, "what waits for its own connection keeps nobody else waiting");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_go_on_is_given_up() {
        let room = room(4 << 20);
        let (mut answer, place) = answer(&room, 2 << 20);
        assert_eq!(came(&mut answer).await, HEAD + 1);
        let end = std::future::poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx)).await.unwrap().unwrap_err();
        assert!(end.to_string().contains("did not send the rest in time"), "{end}");
        drop((answer, place));
        assert_eq!(room.all.available_permits(), (4 << 20) / PIECE);
    }

    #[tokio::test]
    async fn more_than_was_announced_is_not_read() {
        let pieces = [Bytes::from_static(&[0, 0, 0, 0, 1, 7]), Bytes::from_static(&[0; 100])];
        let body = Body::new(Pieces(pieces.into()));
        let mut answer = Metered::new(body, room(0), Place::default(), 4 << 20);
        assert_eq!(came(&mut answer).await, 6);
    }
}
