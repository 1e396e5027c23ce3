//! How a call is served: who may make it, which fault strikes it, when it takes effect and what is noted of it.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tonic::{Code, Request, Response, Status, metadata::MetadataMap};

use super::{
    Shared, State,
    answer::{Answer, Question},
    clock::Clock,
    fault::{Fault, When},
    journal::{Call, Method, Verdict},
    login::Login,
    refusal::Refusal,
    transport::{Connection, Garbage},
};
use crate::JobId;

/// The gRPC service over the shared state.
pub(super) struct Server(pub(super) Arc<Shared>);

/// What a call does once nothing is in its way.
type Effect<Q, A> = fn(&mut State, &Q, Duration, &Clock) -> Result<A, Refusal>;

/// A call that may have its effect.
struct Admitted {
    number: usize,
    fault: Option<Fault>,
    /// `grpc-timeout` on the simulator's clock.
    deadline: Option<Duration>,
    /// Changes with each release after the arrival.
    released: watch::Receiver<u64>,
}

impl Server {
    pub(super) async fn serve<Q: Question, A: Answer>(
        &self,
        request: Request<Q>,
        effect: Effect<Q, A>,
    ) -> Result<Response<A>, Status> {
        let admitted = self.0.admit(&request)?;
        let (fault, mut released) = (admitted.fault.clone(), admitted.released.clone());
        // In a task of its own, since what has reached Milvus takes effect even if the client hangs up meanwhile.
        let work = tokio::spawn(self.0.clone().work(request.into_inner(), effect, admitted));
        let answer = work.await.map_err(|error| Status::internal(error.to_string()))??;
        match fault {
            Some(Fault::DropReplyAfterEffect) => Err(Status::unavailable("connection reset by peer")),
            Some(Fault::HangAfterEffect) => {
                // An error: the simulator is gone, and so is its client.
                _ = released.changed().await;
                Ok(Response::new(answer))
            }
            Some(Fault::Status { code, text, when: When::After }) => Err(Status::new(Code::from_i32(code), text)),
            Some(Fault::Milvus { code, reason, when: When::After }) => {
                Ok(Response::new(A::refused(Refusal { code, reason })))
            }
            Some(Fault::Garbage) => {
                let mut response = Response::new(answer);
                response.extensions_mut().insert(Garbage);
                Ok(response)
            }
            _ => Ok(Response::new(answer)),
        }
    }
}

impl Shared {
    /// Notes the call and lets it in, or answers it at the door.
    fn admit<Q: Question>(&self, request: &Request<Q>) -> Result<Admitted, Status> {
        let released = self.release.subscribe();
        let at = self.clock.now();
        let (database, collection, job) = request.get_ref().target();
        let admitted = {
            let mut state = self.lock();
            let door = gate(&state, Q::METHOD, request.metadata(), database);
            let fault = if door.is_ok() { state.faults.next(Q::METHOD) } else { None };
            let (database, collection) = (database.to_owned(), collection.to_owned());
            let call = Call {
                at,
                method: Q::METHOD,
                database,
                collection,
                job,
                user: Login::named(request.metadata()),
                connection: request.extensions().get::<Connection>().map_or(0, |connection| connection.0),
                verdict: Verdict::Open,
                fault: fault.clone(),
            };
            let number = state.journal.open(call);
            let deadline = timeout(request.metadata()).map(|timeout| at.saturating_add(timeout));
            match door {
                Ok(()) => Ok(Admitted { number, fault, deadline, released }),
                Err(status) => {
                    state.journal.close(number, verdict(&status));
                    Err(status)
                }
            }
        };
        self.changed();
        admitted
    }

    /// Waits where the fault says so, then has the effect and notes it.
    async fn work<Q: Question, A: Answer>(
        self: Arc<Self>,
        question: Q,
        effect: Effect<Q, A>,
        mut admitted: Admitted,
    ) -> Result<A, Status> {
        let in_time = tokio::select! {
            biased;
            () = self.expiry(admitted.deadline) => false,
            () = self.obstacle(&mut admitted) => true,
        };
        let answer = {
            let mut state = self.lock();
            let answer = if in_time {
                self.take_effect(&mut state, &question, effect, &admitted)
            } else {
                Err(Status::deadline_exceeded("context deadline exceeded"))
            };
            let (verdict, answer) = match answer {
                Ok((verdict, answer)) => (verdict, Ok(answer)),
                Err(status) => (verdict(&status), Err(status)),
            };
            state.journal.close(admitted.number, verdict);
            answer
        };
        self.changed();
        answer
    }

    async fn expiry(&self, deadline: Option<Duration>) {
        match deadline {
            Some(deadline) => self.clock.until(deadline).await,
            None => std::future::pending().await,
        }
    }

    async fn obstacle(&self, admitted: &mut Admitted) {
        match admitted.fault {
            // An error: the simulator is gone.
            Some(Fault::HangBeforeEffect) => _ = admitted.released.changed().await,
            Some(Fault::Delay(by)) => self.clock.until(self.clock.now().saturating_add(by)).await,
            _ => {}
        }
    }

    /// What the coordinator answers, and the job of a first call where the proxy has repeated it.
    fn ask_coordinator<Q: Question, A: Answer>(
        &self,
        state: &mut State,
        question: &Q,
        effect: Effect<Q, A>,
        fault: Option<&Fault>,
    ) -> Result<(Option<JobId>, Result<A, Refusal>), Status> {
        let now = self.clock.now();
        state.world.settle(now);
        let answer = match fault {
            Some(Fault::Status { code, text, when: When::Before }) => {
                return Err(Status::new(Code::from_i32(*code), text));
            }
            Some(Fault::Milvus { code, reason, when: When::Before }) => {
                Err(Refusal { code: *code, reason: reason.clone() })
            }
            _ => effect(state, question, now, &self.clock),
        };
        let first = accepted(&answer).filter(|_| fault == Some(&Fault::RepeatedByProxy));
        let Some(job) = first else { return Ok((None, answer)) };
        note_start(state, job);
        state.world.settle(now);
        Ok((first, effect(state, question, now, &self.clock)))
    }

    fn take_effect<Q: Question, A: Answer>(
        &self,
        state: &mut State,
        question: &Q,
        effect: Effect<Q, A>,
        admitted: &Admitted,
    ) -> Result<(Verdict, A), Status> {
        let fault = admitted.fault.as_ref();
        let (first, mut answer) = self.ask_coordinator(state, question, effect, fault)?;
        let mut struck = first.is_some();
        let verdict = match (first, accepted(&answer)) {
            (_, Some(job)) if fault == Some(&Fault::LoseAcceptedJob) => {
                state.world.lose(job.0);
                struck = true;
                Verdict::Lost(job)
            }
            (None, Some(job)) => {
                note_start(state, job);
                Verdict::Accepted(job)
            }
            (Some(first), Some(job)) => {
                note_start(state, job);
                Verdict::AcceptedTwice(first, job)
            }
            (Some(first), None) => Verdict::Accepted(first),
            (None, None) => match &answer {
                Ok(_) => Verdict::Answered,
                Err(Refusal { code, reason }) => Verdict::Refused { code: *code, reason: reason.clone() },
            },
        };
        if let (Some(fault), Ok(answer)) = (fault, &mut answer) {
            let shown = answer.spoil(fault);
            if shown && *fault == Fault::FailedFirstWithoutReason {
                state.faults.spend(Q::METHOD, fault);
            }
            struck |= shown;
        }
        if !struck && fault.is_some_and(Fault::needs_a_job) {
            state.journal.spared(admitted.number);
        }
        Ok((verdict, answer.unwrap_or_else(A::refused)))
    }
}

/// The job that a submit has made.
fn accepted<A: Answer>(answer: &Result<A, Refusal>) -> Option<JobId> {
    answer.as_ref().ok().and_then(Answer::accepted)
}

fn note_start(state: &mut State, job: JobId) {
    if let Some(owner) = state.world.owner(job.0) {
        tracing::info!(%job, database = owner.0, collection = owner.1, "refresh job accepted");
        state.journal.started(owner, job);
    }
}

/// The checks ahead of every call. grpc-go answers unknown methods before it looks at credentials.
fn gate(state: &State, method: Method, metadata: &MetadataMap, database: &str) -> Result<(), Status> {
    let settings = &state.settings;
    let name = method.name();
    let too_new = settings.too_old && matches!(method, Method::Refresh | Method::Progress | Method::List);
    if too_new || settings.unknown.contains(&method) {
        let service = "milvus.proto.milvus.MilvusService";
        return Err(Status::unimplemented(format!("unknown method {name} for service {service}")));
    }
    if let Some(login) = &settings.login {
        login.check(metadata)?;
    }
    if settings.denied.contains(&method) {
        let database = if database.is_empty() { super::world::DEFAULT_DATABASE } else { database };
        let user = settings.login.as_ref().map_or("root", Login::user);
        return Err(Status::permission_denied(format!(
            "Privilege{}: permission deny to {user} in the `{database}` database",
            method.privilege()
        )));
    }
    Ok(())
}

fn verdict(status: &Status) -> Verdict {
    Verdict::Status { code: status.code().into(), text: status.message().to_owned() }
}

/// `grpc-timeout`: up to eight digits and a unit.
fn timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(count.saturating_mul(60))),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}
