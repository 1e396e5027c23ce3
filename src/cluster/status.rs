//! The one way in which status is written: a PUT that replaces the whole status of exactly the object that it was decided on.
//! What anybody else has put into the status, such as a backup tool that restored it, does not outlive it.

use std::{borrow::Cow, fmt::Debug, time::Duration};

use kube::{
    Api, Resource,
    api::{DeleteParams, ObjectMeta, PostParams, Preconditions, Request},
    core::Status,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::request::DEADLINE;
use crate::api::FIELD_MANAGER;

/// How often one write is sent while no answer comes. The same resourceVersion each time, so it takes effect at most once.
const TRIES: u32 = 3;
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Somebody wrote the object since it was read, or it is another one of its name: read it anew and decide again.
    #[error("the object has changed since it was read")]
    Conflict,
    /// The object is gone.
    #[error("the object was deleted")]
    Gone,
    /// The API server will not take this status from us.
    #[error("the API server refused the status: {0}")]
    Refused(String),
    /// The API server gave no answer or failed inside; whether the write took effect is not known.
    #[error("the API server gave no clear answer: {0}")]
    Unanswered(String),
}

/// The object that a status was decided on. Another object of its name, or a newer version of it, refuses the write.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// Its version.
    pub resource_version: &'a str,
}

impl<'a> Decided<'a> {
    /// The object with this metadata.
    pub fn on(meta: &'a ObjectMeta) -> Self {
        let text = |field: &'a Option<String>| field.as_deref().unwrap_or_default();
        Self {
            namespace: text(&meta.namespace),
            name: text(&meta.name),
            uid: text(&meta.uid),
            resource_version: text(&meta.resource_version),
        }
    }
}

/// Replaces the whole status of the object that it was decided `on`, and gives the version that it has then. Only a process
/// that still `leads` sends again what had no answer (rule 2 of the start protocol).
///
/// # Errors
/// See [`WriteError`]. Only a success proves that this process wrote this status.
pub async fn write<K, S>(
    api: &Api<K>,
    on: Decided<'_>,
    status: &S,
    leads: impl Fn() -> bool,
) -> Result<String, WriteError>
where
    K: Resource<DynamicType = ()> + Clone,
    S: Serialize,
{
    let body = Body { api_version: K::api_version(&()), kind: K::kind(&()), metadata: on, status };
    let mut outcome = Err(WriteError::Unanswered(String::new()));
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
            if !leads() {
                break;
            }
        }
        let answered = answer(replace(api, on.name, &body)).await;
        outcome = match answered {
            // That this one was not taken says nothing about one before it.
            Err(WriteError::Refused(why)) if attempt > 0 => Err(WriteError::Unanswered(why)),
            answered => answered,
        };
        if !matches!(outcome, Err(WriteError::Unanswered(_))) {
            break;
        }
    }
    outcome
}

/// What is read of the answer, which is the whole object.
#[derive(Deserialize)]
struct Written {
    metadata: Version,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    resource_version: String,
}

/// What is sent: no spec, for which the API server keeps its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a, S> {
    api_version: Cow<'a, str>,
    kind: Cow<'a, str>,
    metadata: Decided<'a>,
    status: &'a S,
}

async fn replace<K, S>(api: &Api<K>, name: &str, body: &Body<'_, S>) -> kube::Result<String>
where
    K: Resource + Clone,
    S: Serialize,
{
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let body = serde_json::to_vec(body).map_err(kube::Error::SerdeError)?;
    let request = Request::new(api.resource_url()).replace_subresource("status", name, &params, body);
    let client = api.clone().into_client();
    let written: Written = client.request(request.map_err(kube::Error::BuildRequest)?).await?;
    Ok(written.metadata.resource_version)
}

/// What came of one call that changes something.
async fn answer<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, WriteError> {
    match timeout(DEADLINE, call).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(kube::Error::Api(refusal))) if refusal.code == 409 => Err(WriteError::Conflict),
        Ok(Err(kube::Error::Api(refusal))) if refusal.code == 404 => Err(WriteError::Gone),
        Ok(Err(kube::Error::Api(refusal))) if refusal.code < 500 && refusal.code != 429 || is_admission(&refusal) => {
            Err(WriteError::Refused(refusal.message.clone()))
        }
        Ok(Err(error)) => Err(WriteError::Unanswered(error.to_string())),
        Err(_) => Err(late()),
    }
}

/// Whether an admission webhook could not be called that has to be: the API server asks before it writes anything.
fn is_admission(refusal: &Status) -> bool {
    refusal.code == 500 && refusal.message.contains("failed calling webhook")
}

fn late() -> WriteError {
    WriteError::Unanswered(format!("no answer within {} s", DEADLINE.as_secs()))
}

/// Deletes `name` if it is still this object at this version.
///
/// # Errors
/// [`WriteError::Conflict`] when it has changed since. An object that is gone is no error.
pub async fn delete<K>(api: &Api<K>, name: &str, uid: &str, resource_version: &str) -> Result<(), WriteError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let still = Preconditions { uid: Some(uid.to_owned()), resource_version: Some(resource_version.to_owned()) };
    let params = DeleteParams { preconditions: Some(still), ..DeleteParams::default() };
    match answer(api.delete(name, &params)).await {
        Ok(_) | Err(WriteError::Gone) => Ok(()),
        Err(error @ (WriteError::Conflict | WriteError::Refused(_) | WriteError::Unanswered(_))) => Err(error),
    }
}

/// Reads the object as it is now.
///
/// # Errors
/// [`WriteError::Gone`] when it does not exist, [`WriteError::Unanswered`] when the API server does not say.
pub async fn read<K>(api: &Api<K>, name: &str) -> Result<K, WriteError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    match timeout(DEADLINE, api.get_opt(name)).await {
        Ok(Ok(Some(object))) => Ok(object),
        Ok(Ok(None)) => Err(WriteError::Gone),
        Ok(Err(error)) => Err(WriteError::Unanswered(error.to_string())),
        Err(_) => Err(late()),
    }
}
