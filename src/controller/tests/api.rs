//! An API server that holds refreshes and takes the writes of their statuses as the real one does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::StatusCode,
    routing::{get, patch, post, put},
};
use kube::{Client, core::Status};
use serde_json::{Value, json};

use crate::api::ExternalCollectionRefresh;

const ONE: &str = "/apis/milvus-refresh.dev/v1alpha1/namespaces/default/externalcollectionrefreshes/{name}";

const SECRET: &str = "/api/v1/namespaces/default/secrets/{name}";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/default/events";

/// What becomes of one write.
#[derive(Clone, Copy)]
pub enum Fate {
    Taken,
    /// Taken, and no reply comes.
    TakenSilently,
    /// Taken, and the reply comes so late.
    TakenAfter(Duration),
    /// Not taken, and no reply comes.
    Lost,
    /// Taken, as the reply says that leaves it open.
    TakenAndFailed,
    /// Not taken, as the reply says that leaves it open.
    Failed,
}

/// Decides on a write from the status that it carries.
type Weather = Box<dyn FnMut(&Value) -> Fate + Send>;

#[derive(Clone, Default)]
pub struct Api(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, ExternalCollectionRefresh>,
    version: u64,
    /// The names of the objects whose status was written, and the reasons of the Events that were published or counted up.
    written: Vec<String>,
    events: Vec<String>,
    weather: Option<Weather>,
    /// What every Secret holds under the key `spec`.
    secret: Option<String>,
    /// Objects whose statuses a webhook lets nobody write.
    refused: BTreeSet<String>,
    /// Objects that cannot be read.
    unreadable: BTreeSet<String>,
}

impl Api {
    pub fn client(&self) -> Client {
        let (reads, writes, deletes) = (self.clone(), self.clone(), self.clone());
        let read = move |Path(name): Path<String>| async move { reads.answer(reads.read(&name)) };
        let write = move |Path(name): Path<String>, body: Bytes| async move { writes.write(&name, &body).await };
        let delete = move |Path(name): Path<String>, body: Bytes| async move {
            deletes.answer(deletes.delete_as_seen(&name, &serde_json::from_slice(&body).unwrap()))
        };
        let events = self.clone();
        let publish = move |body: Bytes| async move {
            let event: Value = serde_json::from_slice(&body).unwrap();
            events.lock().events.push(event["reason"].as_str().unwrap().to_owned());
            body
        };
        let secrets = self.clone();
        let secret = move || async move {
            secrets.lock().secret.clone().map_or_else(
                || secrets.answer(Err(404)),
                |text| {
                    let data = json!({ "spec": k8s_openapi::ByteString(text.into_bytes()) });
                    (StatusCode::OK, json!({ "metadata": {}, "data": data }).to_string())
                },
            )
        };
        let router = Router::new()
            .route(SECRET, get(secret))
            .route(EVENTS, post(publish.clone()))
            .route(&format!("{EVENTS}/{{name}}"), patch(publish))
            .route(ONE, get(read).delete(delete))
            .route(&format!("{ONE}/status"), put(write));
        Client::new(router, "default")
    }

    pub fn create(&self, name: &str) {
        self.create_for(name, "products");
    }

    /// The statuses that were written since that was last asked, by the object's name, and the reasons of the Events.
    pub fn written(&self) -> (Vec<String>, Vec<String>) {
        let mut state = self.lock();
        (std::mem::take(&mut state.written), std::mem::take(&mut state.events))
    }

    /// A refresh of this collection.
    pub fn create_for(&self, name: &str, collection: &str) {
        let mut state = self.lock();
        let version = state.next_version();
        let object = json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
            "metadata": {
                "name": name, "namespace": "default", "uid": format!("{name}-{version}"), "generation": 1,
                "resourceVersion": version, "creationTimestamp": "2026-11-23T00:00:00Z",
            },
            "spec": { "collectionName": collection },
        });
        state.objects.insert(name.to_owned(), serde_json::from_value(object).unwrap());
    }

    /// Every Secret holds this under the key `spec` from now on, or there is none.
    pub fn set_secret(&self, spec: Option<&str>) {
        self.lock().secret = spec.map(str::to_owned);
    }

    pub fn delete(&self, name: &str) {
        self.lock().objects.remove(name);
    }

    /// Somebody edits the object, which is its first generation still.
    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut ExternalCollectionRefresh)) {
        let mut state = self.lock();
        let version = state.next_version();
        let object = state.objects.get_mut(name).unwrap();
        edit(object);
        object.metadata.resource_version = Some(version);
    }

    pub fn recreate(&self, name: &str) {
        self.delete(name);
        self.create(name);
    }

    /// From now on a webhook that fails lets nobody write the status of `name`; or it lets everybody again.
    pub fn refuse(&self, name: &str, refused: bool) {
        let names = &mut self.lock().refused;
        if refused {
            names.insert(name.to_owned())
        } else {
            names.remove(name)
        };
    }

    /// From now on `name` cannot be read, or can again.
    pub fn hide(&self, name: &str, hidden: bool) {
        let names = &mut self.lock().unreadable;
        if hidden {
            names.insert(name.to_owned())
        } else {
            names.remove(name)
        };
    }

    fn read(&self, name: &str) -> Result<ExternalCollectionRefresh, u16> {
        if self.lock().unreadable.contains(name) { Err(500) } else { self.object(name).ok_or(404) }
    }

    pub fn object(&self, name: &str) -> Option<ExternalCollectionRefresh> {
        self.lock().objects.get(name).cloned()
    }

    pub fn objects(&self) -> Vec<ExternalCollectionRefresh> {
        self.lock().objects.values().cloned().collect()
    }

    /// Which objects there are: their names, uids and versions.
    pub fn versions(&self) -> Vec<(String, String, Option<String>)> {
        let state = self.lock();
        let metas = state.objects.iter().map(|(name, object)| (name, &object.metadata));
        metas.map(|(name, meta)| (name.clone(), meta.uid.clone().unwrap(), meta.resource_version.clone())).collect()
    }

    pub fn version(&self, name: &str) -> Option<String> {
        self.object(name)?.metadata.resource_version
    }

    /// Another process writes this status.
    pub fn put_status(&self, name: &str, status: &Value) {
        let mut state = self.lock();
        let version = state.next_version();
        let object = state.objects.get_mut(name).unwrap();
        object.metadata.resource_version = Some(version);
        object.status = serde_json::from_value(status.clone()).unwrap();
    }

    /// Decides on each write from now on.
    pub fn on_write(&self, weather: impl FnMut(&Value) -> Fate + Send + 'static) {
        self.lock().weather = Some(Box::new(weather));
    }

    /// Decides on each write of a claim that has no job yet.
    pub fn on_claim(&self, mut weather: impl FnMut(&Value) -> Fate + Send + 'static) {
        self.on_write(move |status| {
            let is_claim = status["run"]["submitTime"].is_string() && status["jobId"].is_null();
            if is_claim { weather(status) } else { Fate::Taken }
        });
    }

    async fn write(&self, name: &str, body: &[u8]) -> (StatusCode, String) {
        let sent: Value = serde_json::from_slice(body).unwrap();
        if self.lock().refused.contains(name) {
            let message = "Internal error occurred: failed calling webhook \"dead.example.com\": connection refused";
            let status = Status { code: 500, ..Status::failure(message, "InternalError") };
            return (StatusCode::INTERNAL_SERVER_ERROR, serde_json::to_string(&status).unwrap());
        }
        let weather = self.lock().weather.take();
        let fate = weather.map_or(Fate::Taken, |mut weather| {
            let fate = weather(&sent["status"]);
            self.lock().weather.get_or_insert(weather);
            fate
        });
        if let Fate::Lost = fate {
            return std::future::pending().await;
        }
        if let Fate::Failed = fate {
            return self.answer(Err(500));
        }
        let answer = self.answer(self.replace(name, &sent));
        match fate {
            Fate::TakenSilently => std::future::pending().await,
            Fate::TakenAfter(time) => tokio::time::sleep(time).await,
            Fate::TakenAndFailed => return self.answer(Err(504)),
            Fate::Taken | Fate::Lost | Fate::Failed => {}
        }
        answer
    }

    /// As the real API server does it: takes a status only for the uid and the version that it names, keeps nothing of the one
    /// before, and a status that changes nothing makes no new version.
    fn replace(&self, name: &str, sent: &Value) -> Result<ExternalCollectionRefresh, u16> {
        let mut state = self.lock();
        let version = state.next_version();
        let object = state.objects.get_mut(name).ok_or(404_u16)?;
        let named = |field: &str| sent["metadata"][field].as_str();
        named("resourceVersion").ok_or(422_u16)?;
        let is = [("uid", &object.metadata.uid), ("resourceVersion", &object.metadata.resource_version)];
        if is.iter().any(|(field, is)| named(field).is_some() && named(field) != is.as_deref()) {
            return Err(409);
        }
        let status = serde_json::from_value(sent["status"].clone()).unwrap();
        if object.status != status {
            object.metadata.resource_version = Some(version);
            object.status = status;
        }
        let object = object.clone();
        state.written.push(name.to_owned());
        Ok(object)
    }

    /// A deletion without preconditions takes whatever is there, as it does on the real API server.
    fn delete_as_seen(&self, name: &str, options: &Value) -> Result<ExternalCollectionRefresh, u16> {
        let mut state = self.lock();
        let meta = &state.objects.get(name).ok_or(404_u16)?.metadata;
        let expected = |field: &str| options["preconditions"][field].as_str();
        let others = |field: &str, is: &Option<String>| expected(field).is_some() && expected(field) != is.as_deref();
        if others("uid", &meta.uid) || others("resourceVersion", &meta.resource_version) {
            return Err(409);
        }
        state.objects.remove(name).ok_or(404)
    }

    fn answer(&self, answer: Result<ExternalCollectionRefresh, u16>) -> (StatusCode, String) {
        match answer {
            Ok(object) => (StatusCode::OK, serde_json::to_string(&object).unwrap()),
            Err(code) => {
                let status = Status { code, ..Status::failure("refused", "Refused") };
                (StatusCode::from_u16(code).unwrap(), serde_json::to_string(&status).unwrap())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }
}
