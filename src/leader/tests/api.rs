//! One lease in an API server that keeps the real one's rules, and lines to it that lose and delay what they carry.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::StatusCode,
    routing::{get, post},
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, core::Status};
use tokio::time::{Instant, sleep};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/system/leases";
/// The lease that all compete for.
pub const NAME: &str = "operator";

/// What becomes of one request.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It arrives after `there`, and its reply after another `back`. `None`: never.
    Carried { there: Option<Duration>, back: Option<Duration> },
    /// The API server says that it is overloaded.
    Refused,
}

impl Fate {
    pub const FINE: Self = Self::Carried { there: Some(Duration::ZERO), back: Some(Duration::ZERO) };
    pub const REQUEST_LOST: Self = Self::Carried { there: None, back: None };
    pub const REPLY_LOST: Self = Self::Carried { there: Some(Duration::ZERO), back: None };

    pub fn slow(there: u64, back: u64) -> Self {
        Self::Carried { there: Some(Duration::from_millis(there)), back: Some(Duration::from_millis(back)) }
    }
}

/// Decides the fate of each request on a line, of which it is told the verb.
pub type Weather = Box<dyn FnMut(&'static str) -> Fate + Send>;

/// The API server.
#[derive(Clone, Default)]
pub struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Lease>,
    version: u64,
    writes: usize,
    /// When a holder last wrote the record.
    written: Option<Instant>,
    /// What no election may do.
    wrongs: Vec<String>,
}

/// One process' way to the API server.
#[derive(Clone)]
pub struct Line {
    server: Server,
    weather: Arc<Mutex<Weather>>,
    requests: Arc<Mutex<Vec<&'static str>>>,
}

impl Server {
    pub fn line(&self) -> Line {
        let fine: Weather = Box::new(|_| Fate::FINE);
        Line { server: self.clone(), weather: Arc::new(Mutex::new(fine)), requests: Arc::default() }
    }

    pub fn lease(&self) -> Option<Lease> {
        self.state().lease.clone()
    }

    pub fn holder(&self) -> Option<String> {
        self.lease()?.spec?.holder_identity.filter(|holder| !holder.is_empty())
    }

    pub fn transitions(&self) -> Option<i32> {
        self.lease()?.spec?.lease_transitions
    }

    /// Writes that took effect.
    pub fn writes(&self) -> usize {
        self.state().writes
    }

    pub fn wrongs(&self) -> Vec<String> {
        self.state().wrongs.clone()
    }

    /// What an administrator does to the lease.
    pub fn edit(&self, edit: impl FnOnce(&mut Option<Lease>)) {
        let mut state = self.state();
        edit(&mut state.lease);
        state.version += 1;
        let version = state.version.to_string();
        if let Some(lease) = &mut state.lease {
            lease.metadata.name = Some(NAME.to_owned());
            lease.metadata.resource_version = Some(version);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn answer(&self, verb: &'static str, body: &[u8]) -> (StatusCode, String) {
        let mut state = self.state();
        let stored = match (verb, &state.lease) {
            ("get", Some(lease)) => Ok(lease.clone()),
            ("get" | "put", None) => Err((StatusCode::NOT_FOUND, "NotFound")),
            ("post", Some(_)) => Err((StatusCode::CONFLICT, "AlreadyExists")),
            _ => match serde_json::from_slice::<Lease>(body).unwrap() {
                lease if lease.metadata.name.as_deref() == Some(NAME) => {
                    state.write(lease).ok_or((StatusCode::CONFLICT, "Conflict"))
                }
                _ => Err((StatusCode::UNPROCESSABLE_ENTITY, "Invalid")),
            },
        };
        match stored {
            Ok(lease) => (StatusCode::OK, serde_json::to_string(&lease).unwrap()),
            Err((code, reason)) => refusal(code, reason),
        }
    }
}

impl State {
    fn write(&mut self, mut lease: Lease) -> Option<Lease> {
        let expected = lease.metadata.resource_version.take();
        let now = self.lease.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
        // The real API server, too, takes a write without resourceVersion over anything.
        if expected.is_some() && expected != now {
            return None;
        }
        self.judge(&lease);
        self.version += 1;
        self.writes += 1;
        self.written = Some(Instant::now());
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(lease.clone());
        Some(lease)
    }

    /// A lease that is held may be taken only when it was not written for as long as it lasts.
    fn judge(&mut self, next: &Lease) {
        let holder = |lease: &Lease| lease.spec.clone().unwrap().holder_identity.unwrap_or_default();
        let Some(last) = &self.lease else { return };
        // Free, renewed, or given up.
        if holder(last).is_empty() || [holder(last), String::new()].contains(&holder(next)) {
            return;
        }
        let age = self.written.map_or(Duration::MAX, |written| written.elapsed());
        let lasts = last.spec.clone().unwrap().lease_duration_seconds.unwrap();
        if age < Duration::from_secs(lasts.try_into().unwrap()) {
            self.wrongs.push(format!("{} took the lease of {} after {age:?}", holder(next), holder(last)));
        }
    }
}

impl Line {
    pub fn leases(&self) -> Api<Lease> {
        let handler = |verb| {
            let line = self.clone();
            move |body: Bytes| async move { line.carry(verb, body).await }
        };
        let one = get(handler("get")).put(handler("put"));
        let router = Router::new().route(&format!("{LEASES}/{NAME}"), one).route(LEASES, post(handler("post")));
        Api::namespaced(Client::new(router, "system"), "system")
    }

    pub fn weather(&self, weather: impl FnMut(&'static str) -> Fate + Send + 'static) {
        *self.weather.lock().unwrap() = Box::new(weather);
    }

    /// The next request that `verb` names meets this fate, all others are fine.
    pub fn once(&self, verb: &'static str, fate: Fate) {
        let mut fate = Some(fate);
        self.weather(move |asked| if asked == verb { fate.take().unwrap_or(Fate::FINE) } else { Fate::FINE });
    }

    /// The verbs that were sent so far.
    pub fn requests(&self) -> Vec<&'static str> {
        self.requests.lock().unwrap().clone()
    }

    async fn carry(self, verb: &'static str, body: Bytes) -> (StatusCode, String) {
        self.requests.lock().unwrap().push(verb);
        let fate = (*self.weather.lock().unwrap())(verb);
        let Fate::Carried { there, back } = fate else {
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
        };
        let server = self.server.clone();
        // What is on its way arrives even when the sender has lost patience.
        let carried = tokio::spawn(async move {
            travel(there).await;
            let answer = server.answer(verb, &body);
            travel(back).await;
            answer
        });
        carried.await.unwrap()
    }
}

async fn travel(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}

fn refusal(code: StatusCode, reason: &str) -> (StatusCode, String) {
    let status = Status { code: code.as_u16(), ..Status::failure(reason, reason) };
    (code, serde_json::to_string(&status).unwrap())
}
