//! One channel to Milvus with one login, and how a call over it is made.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::FutureExt;
use prost::bytes::Bytes;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use super::{
    answers::{Answer, Listing, Outcome},
    classify::{self, chain},
    convert::{malformed, unreadable},
    room::{Lists, Metering, Place, Room},
    rpc::{Encoded, Question, Rpc},
    sending::withdrawable,
    tls,
};
use crate::milvus::{
    ConnectError, ConnectOptions, ErrorKind, JobId, MilvusError, Result, Tls,
    scrub::{Scrubber, Secrets, cut},
};

/// Hears of calls that have ended.
pub(super) struct Heard(pub(super) Box<dyn Fn(&'static str, Option<ErrorKind>, Duration) + Send + Sync>);

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heard")
    }
}

/// One channel with one login. What is to be secret about it goes with its last call.
#[derive(Debug)]
pub(super) struct Session {
    channel: Channel,
    address: String,
    tls: Option<Tls>,
    authorization: Option<MetadataValue<Ascii>>,
    pub(super) request_timeout: Duration,
    pub(super) scrubber: Scrubber,
    /// Held for the scrubber to know that they are in use.
    _login: Arc<Secrets>,
    room: Room,
    heard: Arc<OnceLock<Heard>>,
    /// Cancelled once calls are to be made by another session or none.
    pub(super) over: CancellationToken,
}

impl Session {
    pub(super) fn new(
        options: ConnectOptions,
        scrubber: &Scrubber,
        room: &Room,
        heard: &Arc<OnceLock<Heard>>,
    ) -> std::result::Result<Self, ConnectError> {
        let login = options.login.as_ref();
        let secrets = Secrets::new(login.map(|login| login.secrets()).transpose()?.into_iter().flatten());
        scrubber.learn(&secrets);
        Ok(Self {
            channel: options.channel()?,
            authorization: login.map(|login| login.authorization()).transpose()?,
            request_timeout: options.request_timeout,
            scrubber: scrubber.clone(),
            _login: secrets,
            room: room.clone(),
            tls: options.address.starts_with("https:").then(|| options.tls.unwrap_or_default()),
            address: options.address,
            heard: heard.clone(),
            over: CancellationToken::new(),
        })
    }

    /// A call with the deadline of all but the submit.
    pub(super) async fn ask<Q, A>(&self, rpc: Rpc, database: &str, message: Q) -> Result<(A, Place)>
    where
        Q: Question,
        A: Answer,
    {
        self.call(rpc, database, message, self.request_timeout).await
    }

    /// The same for an answer that can be large: when it is the call's turn, within that deadline. What comes with the answer is
    /// held until it is converted.
    pub(super) async fn list<Q: Question>(
        &self,
        rpc: Rpc,
        lists: Lists,
        database: &str,
        message: Q,
    ) -> Result<(Listing, (Place, Option<OwnedSemaphorePermit>))> {
        let (began, budget) = (Instant::now(), self.request_timeout);
        let Ok(turn) = tokio::time::timeout(budget, self.room.turn(lists)).await else {
            let error = format!("Milvus at {} did not answer earlier {lists} within {budget:?}.", self.address);
            return Err(MilvusError::new(ErrorKind::Timeout, error));
        };
        let left = budget.saturating_sub(began.elapsed());
        let (listing, place) = self.call(rpc, database, message, left).await?;
        Ok((listing, (place, turn)))
    }

    /// One call, which is counted: its answer, and the room that this has until it is converted.
    pub(super) async fn call<Q, A>(&self, rpc: Rpc, database: &str, message: Q, budget: Duration) -> Result<(A, Place)>
    where
        Q: Question,
        A: Answer,
    {
        let (name, began) = (rpc.name, Instant::now());
        let outcome = self.exchange(rpc, database, message, budget).await;
        if let Some(Heard(heard)) = self.heard.get() {
            heard(name, outcome.as_ref().err().map(|error| error.kind), began.elapsed());
        }
        outcome
    }

    /// One call. `budget` is the deadline here and, as `grpc-timeout`, at the server. Never repeats anything.
    async fn exchange<Q, A>(&self, rpc: Rpc, database: &str, message: Q, budget: Duration) -> Result<(A, Place)>
    where
        Q: Question,
        A: Answer,
    {
        if budget.is_zero() {
            return Err(MilvusError::new(ErrorKind::NotSent, "No time was left to send the request."));
        }
        let asked = message.job();
        let (message, withdrawal) = withdrawable(message);
        let mut request = Request::new(message);
        self.describe_request(&mut request, database, budget);
        let place = Place::default();
        let (channel, room) = (self.channel.clone(), self.room.clone());
        let channel = Metering { channel, room, place: place.clone(), longest: rpc.max_answer };
        let mut grpc = Grpc::new(channel).max_decoding_message_size(rpc.max_answer);
        let exchange = async {
            grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
            let codec = Encoded::<Q>::default();
            grpc.client_streaming(request, PathAndQuery::from_static(rpc.path), codec).await
        };
        // The client library panics on a status detail that is not base64; no server may end a task of ours.
        let mut exchange = pin!(tokio::time::timeout(budget, AssertUnwindSafe(exchange).catch_unwind()));
        let outcome = tokio::select! {
            biased;
            outcome = &mut exchange => outcome,
            () = self.over.cancelled() => {
                if withdrawal.withdraw() {
                    return Err(replaced());
                }
                exchange.await
            }
        };
        let (kind, text) = match outcome {
            Ok(Ok(Ok(answer))) => return Ok((self.accept(answer.into_inner(), asked)?, place)),
            Ok(Ok(Err(status))) => (classify::of_grpc(&status), cause(&status, self.tls.as_ref())),
            Ok(Err(_)) => (ErrorKind::Malformed, "the gRPC library failed on it".to_owned()),
            Err(_) => (ErrorKind::Timeout, format!("no connection within {budget:?}")),
        };
        let unreached = matches!(kind, ErrorKind::Unreachable | ErrorKind::Timeout);
        let kind = if unreached && withdrawal.withdraw() { ErrorKind::NotSent } else { kind };
        Err(self.failure(kind, &text, budget))
    }

    fn describe_request<T>(&self, request: &mut Request<T>, database: &str, budget: Duration) {
        request.set_timeout(budget);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        // Builds differ in which calls they take the database of from here; the message always carries it as well.
        if let Ok(name) = MetadataValue::try_from(database)
            && !database.is_empty()
        {
            request.metadata_mut().insert("dbname", name);
        }
    }

    /// The answer, if Milvus calls it a success. One without a status was not made by Milvus.
    fn accept<A: Answer>(&self, answer: Bytes, asked: Option<JobId>) -> Result<A> {
        let outcome = Outcome::read(answer.clone()).map_err(|error| unreadable(&error))?;
        let status = outcome.status.ok_or_else(|| malformed("Milvus sent a response without a status."))?;
        let Some(kind) = classify::of_status(&status, asked) else {
            return A::read(answer).map_err(|error| unreadable(&error));
        };
        if let Some(answer) = A::of_error(&status) {
            return Ok(answer);
        }
        let text = if status.reason.is_empty() { &status.detail } else { &status.reason };
        let unexplained = || format!("Milvus answered with code {} and no reason.", status.code);
        let from_behind = !classify::is_said_by_the_proxy(status.code);
        Err(MilvusError { from_behind, ..MilvusError::new(kind, self.scrubbed(text, unexplained)) })
    }

    /// A sentence about a call that gRPC failed. Where Milvus itself refused, these are its own words.
    fn failure(&self, kind: ErrorKind, text: &str, budget: Duration) -> MilvusError {
        let address = &self.address;
        // Our own words are not searched: a password that is one of them ("Milvus") would be told by its gap.
        let text = self.scrubbed(text, || "Milvus gave no reason.".to_owned());
        let message = match kind {
            ErrorKind::NotSent => format!("No connection to Milvus at {address}: {text}"),
            ErrorKind::Unreachable => format!("Milvus at {address} cannot be reached: {text}"),
            ErrorKind::Timeout => format!("Milvus at {address} did not answer within {budget:?}."),
            ErrorKind::Malformed => format!("The response from {address} cannot be read: {text}"),
            _ => text,
        };
        MilvusError::new(kind, cut(&message))
    }

    fn scrubbed(&self, text: &str, otherwise: impl FnOnce() -> String) -> String {
        let text = self.scrubber.message(text);
        if text.is_empty() { otherwise() } else { text }
    }
}

pub(super) fn replaced() -> MilvusError {
    MilvusError::new(ErrorKind::NotSent, "The login or the address has just changed; nothing was sent.")
}

/// What the server said, or else what happened to the connection.
fn cause(status: &Status, tls: Option<&Tls>) -> String {
    if let Some(explanation) = tls::explain(status, tls) {
        return explanation;
    }
    // The first cause only says that the transport failed.
    let mut causes: Vec<_> = chain(status).skip(1).map(ToString::to_string).collect();
    causes.dedup();
    if causes.is_empty() { status.message().to_owned() } else { causes.join(": ") }
}
