//! `status -w`: the page as it changes.

use std::collections::BTreeMap;

use futures::{StreamExt, stream::select};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::{ResourceExt, runtime::watcher};
use milvus_refresh_operator::{
    api::{ExternalCollectionRefresh, MilvusConnection},
    cluster::packed::Shown,
    object::Key,
};

use super::page::Page;
use crate::{
    cluster::{CONNECTIONS, Cluster, News, Operator, REFRESHES, Refresh, Selection, about, read},
    exit::Exit,
    problem::Problem,
    screen::{Heard, Line, Screen, View, follow, stale},
    words::change,
};

/// Follows a refresh, its connection and its Events.
///
/// # Errors
/// It cannot be watched or read any more; or it was ended by Ctrl-C.
pub async fn run(cluster: &Cluster, refresh: ExternalCollectionRefresh) -> Result<Exit, Problem> {
    let key = Key::of(&refresh);
    let connection = refresh.connection();
    let place = Some(key.namespace.as_str());
    let news = select(
        cluster.watch(place, REFRESHES, Selection::named(&key.name)).map(Change::Refresh),
        select(
            cluster.watch(place, CONNECTIONS, Selection::named(&connection.name)).map(Change::Connection),
            cluster
                .watch(place, "events", Selection::with_fields(about(&key)))
                .map(|news| Change::Event(Box::new(news))),
        ),
    );
    let page = Page {
        object: refresh,
        connection: Ok(None),
        others: Vec::new(),
        // Not followed: that would take a poll.
        operator: Operator::Works(String::new()),
        events: Ok(Vec::new()),
    };
    follow(news, Live { page, events: BTreeMap::new(), awaited: 2, exists: true, trouble: None, said: String::new() })
        .await
}

/// What is heard of.
enum Change {
    Refresh(News<Refresh>),
    Connection(News<Shown<MilvusConnection>>),
    Event(Box<News<Event>>),
}

struct Live {
    page: Page,
    /// The Events by name.
    events: BTreeMap<String, Event>,
    /// How many of the connection and the Events are not known yet: a page without them would say that they are missing.
    awaited: u8,
    /// Whether the list that is under way has shown the refresh.
    exists: bool,
    /// Why what is shown may be old.
    trouble: Option<String>,
    /// What a pipe was last told.
    said: String,
}

impl View for Live {
    type News = Change;

    fn hear(&mut self, change: Change, now: Timestamp) -> Result<Heard, Problem> {
        match change {
            Change::Refresh(news) => return self.of_refresh(news, now),
            Change::Connection(news) => self.of_connection(news),
            Change::Event(news) => self.of_event(*news),
        }
        Ok(Heard::default())
    }

    fn shown(&self, screen: &Screen, now: Timestamp) -> Vec<Line> {
        if self.awaited > 0 {
            return Vec::new();
        }
        let mut lines = self.page.lines(screen, now);
        if let Some(trouble) = &self.trouble {
            lines.extend(stale(trouble, screen.width()));
        }
        lines
    }
}

impl Live {
    fn of_refresh(&mut self, news: News<Refresh>, now: Timestamp) -> Result<Heard, Problem> {
        match news {
            News::Trouble(problem) => self.trouble = Some(problem.to_string()),
            News::Refused(problem) => return Err(problem),
            News::Event(watcher::Event::Delete(_)) => return Err(self.deleted()),
            News::Event(watcher::Event::Apply(refresh) | watcher::Event::InitApply(refresh)) => {
                (self.trouble, self.exists) = (None, true);
                self.page.object = read(&refresh)?;
                let said = change(&self.page.object);
                if said != self.said {
                    self.said.clone_from(&said);
                    let lines = vec![Line::from(format!("{}   {said}", crate::screen::stamp(now)))];
                    return Ok(Heard { lines, end: None });
                }
            }
            News::Event(watcher::Event::Init) => self.exists = false,
            News::Event(watcher::Event::InitDone) if self.exists => self.trouble = None,
            News::Event(watcher::Event::InitDone) => return Err(self.deleted()),
        }
        Ok(Heard::default())
    }

    fn deleted(&self) -> Problem {
        Problem::new(Exit::NotFound, format!("Refresh {} was deleted.", self.page.object.name_any()))
    }

    fn of_connection(&mut self, news: News<Shown<MilvusConnection>>) {
        match news {
            News::Trouble(_) | News::Event(watcher::Event::Init) => {}
            News::Refused(problem) => {
                self.page.connection = Err(problem.to_string());
                self.awaited = self.awaited.saturating_sub(1);
            }
            News::Event(watcher::Event::Delete(_)) => self.page.connection = Ok(None),
            News::Event(watcher::Event::InitDone) => self.awaited = self.awaited.saturating_sub(1),
            News::Event(watcher::Event::Apply(connection) | watcher::Event::InitApply(connection)) => {
                let unreadable = |error: serde_json::Error| format!("It was written for another version: {error}.");
                self.page.connection = connection.object().map(Some).map_err(unreadable);
            }
        }
    }

    fn of_event(&mut self, news: News<Event>) {
        match news {
            News::Trouble(_) => {}
            News::Refused(problem) => {
                self.page.events = Err(problem.to_string());
                self.awaited = self.awaited.saturating_sub(1);
                return;
            }
            News::Event(watcher::Event::Init) => self.events.clear(),
            News::Event(watcher::Event::InitDone) => self.awaited = self.awaited.saturating_sub(1),
            News::Event(watcher::Event::Delete(event)) => {
                self.events.remove(&event.name_any());
            }
            News::Event(watcher::Event::Apply(event) | watcher::Event::InitApply(event)) => {
                self.events.insert(event.name_any(), event);
            }
        }
        self.page.events = Ok(self.events.values().cloned().collect());
    }
}
