//! Watches: one list, then each change as it comes.

use std::{fmt::Debug, time::Duration};

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use kube::{
    Api,
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

/// A watch, open or about to be.
struct Watching<K> {
    open: Option<BoxStream<'static, watcher::Result<watcher::Event<K>>>>,
    /// Whether it has ever shown everything.
    listed: bool,
    /// How often in a row it has failed.
    failures: u32,
}

impl Cluster {
    /// Watches the objects of `api` that are selected. One that has failed lists anew, so that it is known when it is back.
    pub fn watch<K>(
        &self,
        api: Api<K>,
        resource: &'static str,
        selection: Selection,
    ) -> impl Stream<Item = News<K>> + use<'_, K>
    where
        K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let config = watcher::Config {
            label_selector: selection.labels,
            field_selector: selection.fields,
            ..watcher::Config::default().page_size(PAGE)
        };
        let begun = Watching { open: None, listed: false, failures: 0 };
        stream::unfold(begun, move |mut watching| {
            let (api, config) = (api.clone(), config.clone());
            async move {
                loop {
                    if watching.open.is_none() && watching.failures > 0 {
                        sleep(doubled(FIRST_PAUSE, watching.failures, LONGEST_PAUSE)).await;
                    }
                    let open = watching.open.get_or_insert_with(|| watcher(api.clone(), config.clone()).boxed());
                    match open.next().await? {
                        Ok(event) => {
                            if matches!(event, watcher::Event::InitDone) {
                                (watching.listed, watching.failures) = (true, 0);
                            }
                            return Some((News::Event(event), watching));
                        }
                        Err(error) => {
                            watching.open = None;
                            if refusal(&error).is_some_and(|status| status.code == EXPIRED) && watching.failures == 0 {
                                continue;
                            }
                            watching.failures = watching.failures.saturating_add(1);
                            return Some((self.failed(resource, error, watching.listed), watching));
                        }
                    }
                }
            }
        })
    }

    /// What it means that a watch has failed.
    fn failed<K>(&self, resource: &'static str, error: watcher::Error, listed: bool) -> News<K> {
        let refused = refusal(&error).is_some_and(|status| matches!(status.code, 401 | 403 | 404));
        let call = Call { verb: verb(&error), resource, namespace: self.scope(), name: None };
        let problem = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => self.refusal(&call, &error),
            watcher::Error::WatchError(status) => self.refusal(&call, &kube::Error::Api(status)),
            watcher::Error::NoResourceVersion => {
                self.refusal(&call, &kube::Error::Service("its list has no version".into()))
            }
        };
        if refused || !listed { News::Refused(problem) } else { News::Trouble(problem) }
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
