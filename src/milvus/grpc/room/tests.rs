//! What servers can do with the room of all.
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
    Room { all: Shares::new(bytes), ..Room::of_connection() }
}

/// The beginning of an answer that is announced to be so long, in three pieces.
fn answer(room: &Room, length: usize) -> (Metered, Place) {
    let head = [&[0], u32::try_from(length).unwrap().to_be_bytes().as_slice()].concat();
    let pieces = [Bytes::from(head[..2].to_vec()), Bytes::from(head[2..].to_vec()), Bytes::from_static(b"x")];
    let place = Place::default();
    (Metered::new(Body::new(Pieces(pieces.into())), room.clone(), place.clone(), 4 << 20), place)
}

/// So much of an answer of that length, in pieces of 64 KiB.
fn answer_of(room: &Room, length: usize, sent: usize) -> (Metered, Place) {
    let head = [&[0], u32::try_from(length).unwrap().to_be_bytes().as_slice()].concat();
    let pieces = (0..sent >> 16).map(|_| Bytes::from(vec![0; 1 << 16]));
    let pieces = Pieces([Bytes::from(head)].into_iter().chain(pieces).collect());
    let place = Place::default();
    (Metered::new(Body::new(pieces), room.clone(), place.clone(), 4 << 20), place)
}

/// What has come of an answer by now, up to about so much.
async fn came_up_to(answer: &mut Metered, most: usize) -> usize {
    let mut bytes = 0;
    while bytes + (1 << 16) <= most {
        let polled = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *answer).poll_frame(cx))).await;
        let Poll::Ready(Some(Ok(frame))) = polled else { break };
        bytes += frame.into_data().unwrap().len();
    }
    bytes
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
    let all = room(2 << 20);
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

#[tokio::test]
async fn servers_that_announce_all_of_it_and_send_little_leave_the_rest_to_others() {
    let all = room(4 << 20);
    let other = || Room { own: Arc::new(Semaphore::new(1)), ..all.clone() };
    let (mut first, _first) = answer(&all, 4 << 20);
    assert_eq!(came(&mut first).await, HEAD + 1);
    let (mut second, _second) = answer(&other(), 4 << 20);
    assert_eq!(came(&mut second).await, 2, "both could not end");
    let (mut third, _third) = answer(&other(), 2 << 20);
    assert_eq!(came(&mut third).await, HEAD + 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_go_on_is_given_up() {
    let room = room(4 << 20);
    let (mut answer, place) = answer(&room, 2 << 20);
    assert_eq!(came(&mut answer).await, HEAD + 1);
    let end = std::future::poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx)).await.unwrap().unwrap_err();
    assert!(end.to_string().contains("did not send the rest in time"), "{end}");
    drop((answer, place));
    assert_eq!(room.all.free(), 4 << 20);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_an_answer_waits_for_room_is_not_its_servers() {
    let all = room(3 << 20);
    let other = Room { own: Arc::new(Semaphore::new(1)), ..all.clone() };
    let (mut first, place) = answer_of(&all, 2 << 20, 2 << 20);
    let (mut second, _place) = answer_of(&other, 2 << 20, 2 << 20);
    let half = |came: usize| assert!((1 << 19..=1 << 20).contains(&came), "{came}");
    half(came_up_to(&mut first, 1 << 20).await);
    half(came_up_to(&mut second, 1 << 20).await);
    assert!(came(&mut first).await > 0);
    assert_eq!(came(&mut second).await, 0);
    tokio::time::sleep(Duration::from_mins(1)).await;
    drop((first, place));
    assert!(came(&mut second).await > 1 << 19);
}

#[tokio::test]
async fn more_than_was_announced_is_not_read() {
    let pieces = [Bytes::from_static(&[0, 0, 0, 0, 1, 7]), Bytes::from_static(&[0; 100])];
    let body = Body::new(Pieces(pieces.into()));
    let mut answer = Metered::new(body, room(0), Place::default(), 4 << 20);
    assert_eq!(came(&mut answer).await, 6);
}
