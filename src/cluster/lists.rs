//! How a watch learns of what exists already: the API server streams it into the watch, or, where it does not, lists it in
//! pages. A stream is one request, and neither side ever holds more than an object of it.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::Uri;
use futures::{
    Stream, StreamExt, TryStreamExt, future,
    stream::{self, BoxStream},
};
use kube::{
    Api, Client, Resource,
    core::Status,
    runtime::{
        WatchStreamExt,
        watcher::{self, Config, Error, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::client;

/// Objects a page. A page is held whole, managed fields and all, and an object can have 1.5 MiB: small pages keep a listing
/// small, whatever is written into the objects.
const PAGE: u32 = 25;
/// How long a stream may say nothing before what exists is complete. A storage that cannot tell how new it is never completes
/// it.
const SILENCE: Duration = Duration::from_secs(60);

/// Opens watches, and knows whether the API server streams.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    in_pages: Arc<AtomicBool>,
}

impl Lists {
    /// What exists of what `config` selects, as it is when this is asked and not as some cache still has it, and what changes
    /// from then on. An error is followed by another try, after a pause that doubles.
    pub fn watch<K>(&self, api: Api<K>, config: Config) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + use<K>
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let watch = Watch { lists: self.clone(), api, config, events: None };
        stream::unfold(watch, |mut watch| async move { Some((watch.next().await, watch)) }).default_backoff()
    }

    /// The one object with this name, each time that it may have changed; `None` while there is none.
    pub fn watch_object<K>(
        &self,
        api: Api<K>,
        name: &str,
    ) -> impl Stream<Item = watcher::Result<Option<K>>> + Send + use<K>
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let config = Config::default().fields(&format!("metadata.name={name}"));
        let mut listed = None;
        let news = move |event| {
            let news = match event {
                Event::Init => {
                    listed = None;
                    None
                }
                Event::InitApply(found) => {
                    listed = Some(found);
                    None
                }
                Event::InitDone => Some(listed.take()),
                Event::Apply(found) => Some(Some(found)),
                Event::Delete(_) => Some(None),
            };
            future::ready(Ok(news))
        };
        self.watch(api, config).try_filter_map(news)
    }

    fn turn_pages(&self, why: &str) {
        if !self.in_pages.swap(true, Ordering::Relaxed) {
            tracing::info!(why, "the API server does not stream lists into watches; the operator reads them in pages");
        }
    }
}

/// One watch, now or before it was opened.
struct Watch<K> {
    lists: Lists,
    api: Api<K>,
    config: Config,
    events: Option<Events<K>>,
}

struct Events<K> {
    stream: BoxStream<'static, watcher::Result<Event<K>>>,
    streams: bool,
    /// Whether it is open and what exists is not complete yet.
    listing: bool,
}

impl<K> Watch<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    async fn next(&mut self) -> watcher::Result<Event<K>> {
        loop {
            let events = match &mut self.events {
                Some(events) => events,
                closed => closed.insert(Events::open(&self.lists, self.api.clone(), self.config.clone())),
            };
            let silence = if events.streams && events.listing { SILENCE } else { Duration::MAX };
            let why = match timeout(silence, events.stream.next()).await {
                Ok(Some(Err(error))) if events.streams && is_refused(&error) => error.to_string(),
                Ok(Some(event)) => {
                    match &event {
                        Ok(Event::Init) => events.listing = true,
                        Ok(Event::InitDone) => events.listing = false,
                        Ok(_) | Err(_) => {}
                    }
                    return event;
                }
                // It never ends by itself.
                Ok(None) => {
                    self.events = None;
                    continue;
                }
                Err(_) => format!("a streamed list said nothing for {} s", SILENCE.as_secs()),
            };
            self.lists.turn_pages(&why);
            self.events = None;
        }
    }
}

impl<K> Events<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    fn open(lists: &Lists, api: Api<K>, config: Config) -> Self {
        let streams = !lists.in_pages.load(Ordering::Relaxed);
        let config = if streams { config.streaming_lists() } else { config.page_size(PAGE) };
        Self { stream: watcher(api, config).boxed(), streams, listing: false }
    }
}

/// The same client, whose streams show what exists when they are asked for, as pages do. The library asks for what a cache of
/// the API server has, which may lack what a predecessor has just written. Must be called within a tokio runtime.
pub fn newest(client: Client) -> Client {
    client::intercepted(client, async |client, mut request| {
        if let Some(uri) = unversioned(request.uri()) {
            *request.uri_mut() = uri;
        }
        client.send(request).await
    })
}

/// The same list, streamed without a version to be content with.
fn unversioned(asked: &Uri) -> Option<Uri> {
    let mut pairs: Vec<_> = asked.query()?.split('&').collect();
    if !pairs.contains(&"sendInitialEvents=true") {
        return None;
    }
    pairs.retain(|pair| !pair.starts_with("resourceVersion="));
    let mut parts = asked.clone().into_parts();
    parts.path_and_query = Some(format!("{}?{}", asked.path(), pairs.join("&")).parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// What the API server answered to a watch that failed; `None` where it did not answer.
pub fn refusal(error: &Error) -> Option<&Status> {
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchError(status) => Some(status),
        Error::InitialListFailed(_) | Error::WatchStartFailed(_) | Error::WatchFailed(_) | Error::NoResourceVersion => {
            None
        }
    }
}

/// Whether the API server takes no such request, as one does whose feature WatchList is off.
fn is_refused(error: &Error) -> bool {
    refusal(error).is_some_and(|status| matches!(status.code, 400 | 422))
}

#[cfg(test)]
pub(crate) mod tests;
