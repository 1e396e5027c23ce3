//! Whose turn it is, where tenants share what there is little of. Pure: the time is an argument.
//!
//! What waits stands in a lane of its namespace, in order of arrival. Namespaces have a turn each, one after the other, and
//! so have the lanes of a namespace; what cannot go yet, since its lane or its namespace has as much under way as it may,
//! keeps nobody else waiting. So whoever floods waits behind itself alone.
//!
//! What is under way for long is set aside, for it waits for an answer that does not come: it holds a place of its lane and
//! of its namespace then, and none that others need.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

/// What has been under way for so long is set aside.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// How much may be under way at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of all together, without what is set aside.
    pub at_work: usize,
    /// Of one lane.
    pub each_lane: usize,
    /// Of one namespace.
    pub each_namespace: usize,
    /// Set aside, of all together: so much memory may be held by what does not end.
    pub set_aside: usize,
}

/// What waits and what is under way.
#[derive(Debug)]
pub struct Fair<T> {
    limits: Limits,
    namespaces: HashMap<String, Namespace<T>>,
    /// Those that something of may go, each once.
    turns: VecDeque<String>,
    waiting: usize,
    /// When what is at work began, by number and so in order.
    at_work: BTreeMap<u64, Instant>,
    set_aside: usize,
    begun: u64,
}

/// The place of something that is under way.
#[derive(Debug)]
pub struct Ticket {
    number: u64,
    namespace: String,
    lane: String,
}

impl Ticket {
    /// The lane that it belongs to.
    pub fn into_lane(self) -> String {
        self.lane
    }
}

#[derive(Debug)]
struct Namespace<T> {
    lanes: HashMap<String, Lane<T>>,
    /// Those that something of may go, each once.
    turns: VecDeque<String>,
    under_way: usize,
    has_turn: bool,
}

#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<T>,
    under_way: usize,
    has_turn: bool,
}

impl<T> Fair<T> {
    /// With nothing in it.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            namespaces: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
            at_work: BTreeMap::new(),
            set_aside: 0,
            begun: 0,
        }
    }

    /// `item` waits from now on.
    pub fn push(&mut self, namespace: &str, lane: &str, item: T) {
        let waits = self.namespaces.entry(namespace.to_owned()).or_default();
        waits.lanes.entry(lane.to_owned()).or_default().waiting.push_back(item);
        self.waiting += 1;
        self.enlist(namespace, lane);
    }

    /// How much waits, in all and of `namespace`.
    pub fn waiting(&self, namespace: &str) -> (usize, usize) {
        let lanes = self.namespaces.get(namespace).map(|namespace| namespace.lanes.values());
        (self.waiting, lanes.into_iter().flatten().map(|lane| lane.waiting.len()).sum())
    }

    /// What begins at `now`, if anything may. It has its place until [`done`](Self::done).
    pub fn next(&mut self, now: Instant) -> Option<(Ticket, T)> {
        while self.next_time().is_some_and(|time| time <= now) {
            self.at_work.pop_first();
            self.set_aside += 1;
        }
        if self.at_work.len() >= self.limits.at_work {
            return None;
        }
        let name = self.turns.pop_front()?;
        let namespace = self.namespaces.get_mut(&name)?;
        namespace.has_turn = false;
        let (lane, item) = namespace.next()?;
        self.waiting = self.waiting.saturating_sub(1);
        self.begun += 1;
        self.at_work.insert(self.begun, now);
        self.enlist(&name, &lane);
        Some((Ticket { number: self.begun, namespace: name, lane }, item))
    }

    /// When something is to be set aside, so that [`next`](Self::next) may have something although nothing has ended.
    pub fn next_time(&self) -> Option<Instant> {
        let (_, began) = self.at_work.first_key_value().filter(|_| self.set_aside < self.limits.set_aside)?;
        Some(*began + PATIENCE)
    }

    /// What has this place has ended.
    pub fn done(&mut self, ticket: &Ticket) {
        let Ticket { number, namespace, lane } = ticket;
        if self.at_work.remove(number).is_none() {
            self.set_aside = self.set_aside.saturating_sub(1);
        }
        if let Some(namespace) = self.namespaces.get_mut(namespace) {
            namespace.done(lane);
        }
        self.enlist(namespace, lane);
        if self.namespaces.get(namespace).is_some_and(|namespace| namespace.lanes.is_empty()) {
            self.namespaces.remove(namespace);
        }
    }

    /// Gives the lane and its namespace a turn each if they may have one and have none.
    fn enlist(&mut self, name: &str, lane: &str) {
        let Some(namespace) = self.namespaces.get_mut(name) else { return };
        namespace.enlist(lane, self.limits.each_lane);
        let may = !namespace.turns.is_empty() && namespace.under_way < self.limits.each_namespace;
        if may && !std::mem::replace(&mut namespace.has_turn, true) {
            self.turns.push_back(name.to_owned());
        }
    }
}

impl<T> Namespace<T> {
    fn next(&mut self) -> Option<(String, T)> {
        let name = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&name)?;
        lane.has_turn = false;
        let item = lane.waiting.pop_front()?;
        lane.under_way += 1;
        self.under_way += 1;
        Some((name, item))
    }

    fn done(&mut self, name: &str) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        lane.under_way = lane.under_way.saturating_sub(1);
        self.under_way = self.under_way.saturating_sub(1);
        if lane.under_way == 0 && lane.waiting.is_empty() {
            self.lanes.remove(name);
        }
    }

    fn enlist(&mut self, name: &str, limit: usize) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let may = !lane.waiting.is_empty() && lane.under_way < limit;
        if may && !std::mem::replace(&mut lane.has_turn, true) {
            self.turns.push_back(name.to_owned());
        }
    }
}

impl<T> Default for Namespace<T> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), under_way: 0, has_turn: false }
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), under_way: 0, has_turn: false }
    }
}

#[cfg(test)]
mod tests;
