//! Watches: one list, then each change as it comes.

use std::fmt::Debug;

use futures::{Stream, StreamExt};
use kube::{
    Api,
    core::Status,
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use serde::de::DeserializeOwned;

use super::{Call, Cluster, list::PAGE};
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

impl Cluster {
    /// Watches the objects of `api` that are selected.
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
        let mut listed = false;
        watcher(api, config).default_backoff().map(move |event| match event {
            Ok(event) => {
                listed |= matches!(event, watcher::Event::InitDone);
                News::Event(event)
            }
            Err(error) => {
                let (verb, status) = told(&error);
                let call = Call { verb, resource, namespace: self.scope(), name: None };
                let gone = status.is_some_and(|status| matches!(status.code, 401 | 403 | 404));
                let problem = match error {
                    watcher::Error::InitialListFailed(error)
                    | watcher::Error::WatchStartFailed(error)
                    | watcher::Error::WatchFailed(error) => self.refusal(&call, &error),
                    watcher::Error::WatchError(status) => self.refusal(&call, &kube::Error::Api(status)),
                    watcher::Error::NoResourceVersion => {
                        self.refusal(&call, &kube::Error::Service("its list has no version".into()))
                    }
                };
                if gone || !listed { News::Refused(problem) } else { News::Trouble(problem) }
            }
        })
    }
}

/// What was asked, and what the API server answered.
fn told(error: &watcher::Error) -> (&'static str, Option<&Status>) {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) => ("list", Some(status)),
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) | watcher::Error::WatchError(status) => {
            ("watch", Some(status))
        }
        watcher::Error::InitialListFailed(_) => ("list", None),
        watcher::Error::WatchStartFailed(_) | watcher::Error::WatchFailed(_) | watcher::Error::NoResourceVersion => {
            ("watch", None)
        }
    }
}
