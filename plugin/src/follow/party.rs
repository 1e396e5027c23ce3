//! All objects whose runs a command waits for, and what is to be seen of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use milvus_refresh_operator::{api::ExternalCollectionRefresh, object::Key};

use super::{
    awaited::{Awaited, Ended},
    progress::Told,
};
use crate::{
    cluster::Refresh,
    exit::Exit,
    screen::{Line, Screen, Span, Table, Tone, wrapped},
    words::{Row, columns},
};

/// Objects whose runs are awaited.
#[derive(Debug)]
pub struct Party {
    members: BTreeMap<Key, Member>,
    /// How the command ends at best.
    exit: Exit,
    /// Whether namespaces are told with the names.
    wide: bool,
    /// Those that the lists which are being read do not have, so far.
    unlisted: BTreeSet<Key>,
}

#[derive(Debug)]
struct Member {
    /// An object of the same name that is created later is another one.
    uid: Option<String>,
    awaited: Awaited,
    told: Told,
    row: Option<Row>,
    ended: Option<Ended>,
}

impl Party {
    /// One that waits for nothing yet. `wide` tells namespaces with names.
    pub fn new(wide: bool) -> Self {
        Self { members: BTreeMap::new(), exit: Exit::Ok, wide, unlisted: BTreeSet::new() }
    }

    /// Waits for this, too.
    pub fn add(&mut self, object: &ExternalCollectionRefresh, awaited: Awaited) {
        let uid = object.metadata.uid.clone();
        self.members.insert(Key::of(object), Member { uid, awaited, told: Told::default(), row: None, ended: None });
    }

    /// Counts this as an end, too.
    pub fn count(&mut self, exit: Exit) {
        self.exit = self.exit.worst(exit);
    }

    /// How the command ends, once all have ended.
    pub fn end(&self) -> Option<Exit> {
        let ends = self.members.values().map(|member| member.ended.as_ref().map(|ended| ended.exit));
        ends.collect::<Option<Vec<_>>>().map(|ends| ends.into_iter().fold(self.exit, Exit::worst))
    }

    /// The object is like this now. Gives the line to tell of that, if it is worth one.
    pub fn see(&mut self, refresh: &Refresh) -> Option<Line> {
        let key = Key::of(refresh);
        self.unlisted.remove(&key);
        let member = self.members.get_mut(&key).filter(|member| member.ended.is_none())?;
        let object = match refresh.object() {
            Ok(object) => object,
            Err(error) => {
                let message = format!("This version of the plugin cannot read it: {error}.");
                return self.over(&key, Ended { exit: Exit::Failed, message });
            }
        };
        if member.uid != object.metadata.uid {
            return self.gone(&key);
        }
        member.row = Some(Row::of(refresh));
        if let Some(ended) = member.awaited.read(&object) {
            return self.over(&key, ended);
        }
        let news = member.told.news(&object)?;
        Some(self.label(&key).with(news))
    }

    /// The object is gone.
    pub fn gone(&mut self, key: &Key) -> Option<Line> {
        let message = "It was deleted. That does not cancel a job that runs in Milvus.".to_owned();
        self.over(key, Ended { exit: Exit::NotFound, message })
    }

    /// A list of those begins for which `has` holds.
    pub fn list_begins(&mut self, has: impl Fn(&Key) -> bool) {
        // Several watches may read lists at a time, of different objects.
        self.unlisted.extend(self.members.keys().filter(|key| has(key)).cloned());
    }

    /// It has ended: what it did not have is gone.
    pub fn list_ends(&mut self, has: impl Fn(&Key) -> bool) -> Vec<Line> {
        let gone: Vec<Key> = self.unlisted.extract_if(.., |key| has(key)).collect();
        gone.iter().filter_map(|key| self.gone(key)).collect()
    }

    /// The time is over.
    pub fn time_is_over(&mut self, limit: &str) -> Vec<Line> {
        let message = format!("It has not ended within {limit}. This command ends; the run goes on.");
        let keys: Vec<Key> = self.members.keys().cloned().collect();
        keys.iter().filter_map(|key| self.over(key, Ended { exit: Exit::Timeout, message: message.clone() })).collect()
    }

    fn over(&mut self, key: &Key, ended: Ended) -> Option<Line> {
        let member = self.members.get_mut(key).filter(|member| member.ended.is_none())?;
        let line = Span::new(tone(ended.exit), &ended.message);
        member.ended = Some(ended);
        Some(self.label(key).with(line))
    }

    fn label(&self, key: &Key) -> Line {
        Line::from(format!("{}: ", self.name(key)))
    }

    /// The name as it is told.
    pub fn name(&self, key: &Key) -> String {
        if self.wide { format!("{}/{}", key.namespace, key.name) } else { key.name.clone() }
    }

    /// The table of all of them, and how those ended that have.
    pub fn shown(&self, screen: &Screen, now: Timestamp) -> Vec<Line> {
        let mut table = Table::new(columns(self.wide, false));
        for row in self.members.values().filter_map(|member| member.row.as_ref()) {
            table.push(row.cells(self.wide, false, Some(screen.bars), now));
        }
        let mut lines = table.lines(screen.width());
        for (key, member) in &self.members {
            let said = match &member.ended {
                Some(ended) => Some((tone(ended.exit), ended.message.clone())),
                None => member.told.held().map(|held| (Tone::Held, held)),
            };
            let said = said.map(|(tone, said)| wrapped(self.label(key), tone, &said, screen.width()));
            lines.extend(said.into_iter().flatten());
        }
        lines
    }
}

fn tone(exit: Exit) -> Tone {
    if exit == Exit::Ok { Tone::Good } else { Tone::Bad }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn object(name: &str, uid: &str, ready: &str) -> serde_json::Value {
        let condition = |type_: &str, status: &str, message: &str| {
            json!({ "type": type_, "status": status, "reason": "Because", "message": message,
                "lastTransitionTime": "2026-11-26T12:00:00Z" })
        };
        let reconciling = if ready == "Unknown" { "True" } else { "False" };
        json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
            "metadata": { "name": name, "namespace": "shop", "uid": uid, "generation": 1 },
            "spec": { "collectionName": "products" },
            "status": { "observedGeneration": 1,
                "conditions": [condition("Ready", ready, "told"), condition("Reconciling", reconciling, "")] },
        })
    }

    fn key(name: &str) -> Key {
        Key { namespace: "shop".to_owned(), name: name.to_owned() }
    }

    fn party(names: &[&str]) -> Party {
        let mut party = Party::new(names.len() > 1);
        for name in names {
            party.add(&serde_json::from_value(object(name, "1", "Unknown")).unwrap(), Awaited::Current(None));
        }
        party
    }

    fn see(party: &mut Party, name: &str, uid: &str, ready: &str) -> Option<String> {
        let refresh: Refresh = serde_json::from_value(object(name, uid, ready)).unwrap();
        party.see(&refresh).map(|line| line.plain())
    }

    #[test]
    fn the_worst_end_of_several_is_that_of_the_command() {
        let mut party = party(&["a", "b", "c"]);
        assert_eq!(see(&mut party, "a", "1", "True").as_deref(), Some("shop/a: told"));
        assert_eq!(see(&mut party, "b", "1", "Unknown").as_deref(), Some("shop/b: told"));
        assert_eq!(see(&mut party, "b", "1", "Unknown"), None);
        assert_eq!(see(&mut party, "b", "1", "False").as_deref(), Some("shop/b: told"));
        assert_eq!(party.end(), None);
        assert_eq!(see(&mut party, "a", "1", "False"), None, "it is awaited no more");
        assert_eq!(party.time_is_over("1h").len(), 1);
        assert_eq!(party.end(), Some(Exit::Timeout));
        party.count(Exit::NotFound);
        assert_eq!(party.end(), Some(Exit::NotFound));
    }

    #[test]
    fn what_is_deleted_is_not_found_even_if_it_is_back_or_nobody_watched() {
        let mut back = party(&["a"]);
        assert!(see(&mut back, "a", "2", "True").unwrap().contains("deleted"));
        assert_eq!(back.end(), Some(Exit::NotFound));

        let mut party = party(&["a", "b", "elsewhere"]);
        let listed = |key: &Key| key.name != "elsewhere";
        party.list_begins(listed);
        see(&mut party, "a", "1", "Unknown");
        let said: Vec<_> = party.list_ends(listed).iter().map(Line::plain).collect();
        assert!(matches!(said.as_slice(), [line] if line.starts_with("shop/b: It was deleted.")), "{said:?}");
        assert!(party.gone(&key("a")).is_some());
        assert_eq!(party.end(), None, "the one elsewhere is awaited still");
    }
}
