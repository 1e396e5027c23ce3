//! Watches: one list, then each change as it comes.

use std::{fmt::Debug, time::Duration};

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client,
    runtime::watcher::{self, watcher},
};
use milvus_refresh_operator::{backoff::doubled, cluster::lists::refusal};
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::{
    Call, Cluster,
    list::{EXPIRED, PAGE},
};
use crate::problem::Problem;

/// Which objects of a kind are watched.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Those with these labels.
    pub labels: Option<String>,
    /// Those with these fields.
    pub fields: Option<String>,
}

impl Selection {
    /// Those with these labels.
    pub fn labelled(labels: Option<&str>) -> Self {
        Self { labels: labels.map(str::to_owned), fields: None }
    }

    /// Those with these fields.
    pub fn with_fields(fields: String) -> Self {
        Self { labels: None, fields: Some(fields) }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Self {
        Self::with_fields(format!("metadata.name={name}"))
    }
}

/// What a watch tells.
#[derive(Debug)]
pub enum News<K> {
    /// Something has changed.
    Event(watcher::Event<K>),
    /// The watch has failed and is tried again.
    Trouble(Problem),
    /// It has failed in a way that trying again does not mend.
    Refused(Problem),
}

/// The pause after a watch has failed, which doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// So often in a row a cluster that was listed may not know the kind, which takes a minute: an API server that starts does not
/// know yet what CRDs define.
const MOST_UNKNOWN: u32 = 7;
const UNAUTHORIZED: u16 = 401;

/// A watch, open or about to be.
struct Watching<K> {
    client: Client,
    open: Option<BoxStream<'static, watcher::Result<watcher::Event<K>>>>,
    /// Whether it has ever shown everything.
    listed: bool,
    /// How often in a row it has failed.
    failures: u32,
    /// Whether the client was built anew since it last showed everything.
    renewed: bool,
}

impl Cluster {
    /// Watches the objects of a namespace, or of all, that are selected. One that has failed lists anew, so that it is known when
    /// it is back.
    pub fn watch<K>(
        &self,
        namespace: Option<&str>,
        resource: &'static str,
        selection: Selection,
    ) -> impl Stream<Item = News<K>> + use<'_, K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let config = watcher::Config {
            label_selector: selection.labels,
            field_selector: selection.fields,
            ..watcher::Config::default().page_size(PAGE)
        };
        let namespace = namespace.map(str::to_owned);
        let begun = Watching { client: self.client.clone(), open: None, listed: false, failures: 0, renewed: false };
        stream::unfold(begun, move |mut watching| {
            let (namespace, config) = (namespace.clone(), config.clone());
            async move {
                loop {
                    if watching.open.is_none() && watching.failures > 0 {
                        sleep(doubled(FIRST_PAUSE, watching.failures, LONGEST_PAUSE)).await;
                    }
                    let client = &watching.client;
                    let opened = || watcher(api(client, namespace.as_deref()), config.clone()).boxed();
                    match watching.open.get_or_insert_with(opened).next().await? {
                        Ok(event) => {
                            if matches!(event, watcher::Event::InitDone) {
                                (watching.listed, watching.failures, watching.renewed) = (true, 0, false);
                            }
                            return Some((News::Event(event), watching));
                        }
                        Err(error) => {
                            watching.open = None;
                            let code = refusal(&error).map(|status| status.code);
                            if code == Some(EXPIRED) && watching.failures == 0 {
                                continue;
                            }
                            watching.failures = watching.failures.saturating_add(1);
                            let problem = self.problem(resource, namespace.as_deref(), error);
                            // The token of a login by a command may have run out.
                            if code == Some(UNAUTHORIZED) && watching.listed && !watching.renewed {
                                watching.renewed = true;
                                match self.client_anew().await {
                                    Ok(client) => watching.client = client,
                                    Err(problem) => return Some((News::Refused(problem), watching)),
                                }
                                continue;
                            }
                            let is_final = !watching.listed || is_final(code, watching.failures);
                            let news = if is_final { News::Refused(problem) } else { News::Trouble(problem) };
                            return Some((news, watching));
                        }
                    }
                }
            }
        })
    }

    /// What it means that a watch has failed.
    fn problem(&self, resource: &'static str, namespace: Option<&str>, error: watcher::Error) -> Problem {
        let call = Call { verb: verb(&error), resource, namespace, name: None };
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => self.refusal(&call, &error),
            watcher::Error::WatchError(status) => self.refusal(&call, &kube::Error::Api(status)),
            watcher::Error::NoResourceVersion => {
                self.refusal(&call, &kube::Error::Service("its list has no version".into()))
            }
        }
    }
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Whether trying again mends nothing: everything was shown once, and since then this was the answer so many times in a row.
fn is_final(code: Option<u16>, failures: u32) -> bool {
    match code {
        Some(UNAUTHORIZED | 403) => true,
        Some(404) => failures >= MOST_UNKNOWN,
        _ => false,
    }
}

/// What was asked.
fn verb(error: &watcher::Error) -> &'static str {
    match error {
        watcher::Error::InitialListFailed(_) => "list",
        watcher::Error::WatchStartFailed(_)
        | watcher::Error::WatchError(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::NoResourceVersion => "watch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_unknown_for_a_while_is_trouble_and_a_missing_right_is_final() {
        for (code, failures, expected) in [
            (Some(404), 1, false),
            (Some(404), MOST_UNKNOWN, true),
            (Some(403), 1, true),
            (Some(401), 2, true),
            (Some(503), 100, false),
            (None, 100, false),
        ] {
            assert_eq!(is_final(code, failures), expected, "{code:?}, {failures}");
        }
    }
}
