//! The watches that tell how awaited objects change, and the clock.

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::runtime::watcher::Event;
use milvus_refresh_operator::object::Key;

use super::{limit::Limit, party::Party};
use crate::{
    cluster::{Cluster, News, REFRESHES, Refresh, Selection},
    exit::Exit,
    problem::Problem,
    screen::{self, Heard, Line, Screen, View, stale},
};

/// What one watch is about. Roles may allow that of one object alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One object.
    One(Key),
    /// All that the flags mean.
    All,
}

impl Scope {
    fn has(&self, key: &Key) -> bool {
        match self {
            Self::One(one) => one == key,
            Self::All => true,
        }
    }

    fn namespace<'a>(&'a self, cluster: &'a Cluster) -> Option<&'a str> {
        match self {
            Self::One(key) => Some(&key.namespace),
            Self::All => cluster.scope(),
        }
    }

    fn selection(&self) -> Selection {
        match self {
            Self::One(key) => Selection { fields: Some(format!("metadata.name={}", key.name)), labels: None },
            Self::All => Selection::default(),
        }
    }
}

/// Follows all of `party` to their ends, or to the `limit`.
///
/// # Errors
/// The cluster refuses the watch or cannot be reached from the start; or it was ended by Ctrl-C.
pub async fn follow(cluster: &Cluster, party: Party, scopes: &[Scope], limit: Limit) -> Result<Exit, Problem> {
    if let Some(exit) = party.end() {
        return Ok(exit);
    }
    let watches = scopes.iter().map(|scope| {
        let news = cluster.watch(scope.namespace(cluster), REFRESHES, scope.selection());
        news.map(move |news| Some((scope, news))).boxed_local()
    });
    let over = stream::once(async move {
        limit.over().await;
        None
    });
    let heard = stream::select_all(watches.chain([over.boxed_local()]));
    screen::follow(heard, Follow { party, limit, trouble: None }).await
}

/// What a command that waits listens to: a watch, or `None` when the time is over.
type Heeded<'a> = Option<(&'a Scope, News<Refresh>)>;

struct Follow<'a> {
    party: Party,
    limit: Limit,
    /// Why what is known may be old, and which watch it is of.
    trouble: Option<(&'a Scope, Problem)>,
}

impl<'a> View for Follow<'a> {
    type News = Heeded<'a>;

    fn hear(&mut self, heard: Heeded<'a>, _: Timestamp) -> Result<Heard, Problem> {
        let lines = match heard {
            None => self.party.time_is_over(&self.limit.in_words()),
            Some((_, News::Refused(problem))) => return Err(problem),
            Some((scope, News::Trouble(problem))) => {
                let told = self.trouble.is_some();
                let line = format!("{problem} Trying again.");
                self.trouble = Some((scope, problem));
                if told { Vec::new() } else { vec![Line::from(line)] }
            }
            Some((scope, News::Event(event))) => {
                self.trouble.take_if(|(troubled, _)| *troubled == scope);
                self.take(scope, &event)
            }
        };
        Ok(Heard { lines, end: self.party.end() })
    }

    fn shown(&self, screen: &Screen, now: Timestamp) -> Vec<Line> {
        let mut lines = self.party.shown(screen, now);
        if let Some((_, trouble)) = &self.trouble {
            lines.extend(stale(trouble, screen.width()));
        }
        lines
    }
}

impl Follow<'_> {
    fn take(&mut self, scope: &Scope, event: &Event<Refresh>) -> Vec<Line> {
        match event {
            Event::Init => {
                self.party.list_begins(|key| scope.has(key));
                Vec::new()
            }
            Event::InitApply(refresh) | Event::Apply(refresh) => self.party.see(refresh).into_iter().collect(),
            Event::InitDone => self.party.list_ends(|key| scope.has(key)),
            Event::Delete(refresh) => self.party.gone(&Key::of(refresh)).into_iter().collect(),
        }
    }
}
