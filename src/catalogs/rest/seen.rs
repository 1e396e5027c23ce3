//! What catalogs have told already and need not tell again.

use std::collections::HashMap;

use hyper::header::HeaderValue;

use super::super::port::{Ask, Table};

/// How many tables are kept.
const MAX_SEEN: usize = 1024;

/// Longest tag that is kept, in bytes.
const MAX_TAG: usize = 1024;

/// A table as it stood.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The catalog's name for that state. Some write it without the quotes that it should have, and know it only as they
    /// wrote it.
    pub(super) tag: HeaderValue,
    pub(super) table: Table,
}

/// The tables that were asked for last.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Each with when it was asked for.
    known: HashMap<Ask, (u64, Known)>,
    now: u64,
}

impl Seen {
    pub(super) fn get(&mut self, ask: &Ask) -> Option<Known> {
        self.now += 1;
        let (last, known) = self.known.get_mut(ask)?;
        *last = self.now;
        Some(known.clone())
    }

    pub(super) fn put(&mut self, ask: &Ask, tag: HeaderValue, table: &Table) {
        if tag.len() > MAX_TAG {
            self.known.remove(ask);
            return;
        }
        if self.known.len() >= MAX_SEEN
            && !self.known.contains_key(ask)
            && let Some(oldest) = self.known.iter().min_by_key(|(_, (last, _))| *last).map(|(ask, _)| ask.clone())
        {
            self.known.remove(&oldest);
        }
        self.now += 1;
        self.known.insert(ask.clone(), (self.now, Known { tag, table: table.clone() }));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ask(number: usize) -> Ask {
        Ask { table: format!("shop.t{number}"), reference: "main".to_owned(), pinned: None }
    }

    #[test]
    fn only_the_tables_that_were_asked_for_last_are_kept() {
        let mut seen = Seen::default();
        let table = Table { metadata_location: "s3://shop/t".to_owned(), snapshot: 1, pinned_is_gone: false };
        for number in 0..MAX_SEEN {
            seen.put(&ask(number), HeaderValue::from_static("x"), &table);
        }
        assert!(seen.get(&ask(0)).is_some());
        seen.put(&ask(MAX_SEEN), HeaderValue::from_static("x"), &table);
        assert_eq!(seen.known.len(), MAX_SEEN);
        seen.put(&ask(0), HeaderValue::from_static("y"), &table);
        assert_eq!(seen.known.len(), MAX_SEEN, "a new state of a table takes nobody's place");
        assert!(seen.get(&ask(0)).is_some() && seen.get(&ask(1)).is_none() && seen.get(&ask(MAX_SEEN)).is_some());
        assert!(seen.get(&Ask { pinned: Some(1), ..ask(0) }).is_none());
        seen.put(&ask(0), HeaderValue::try_from("x".repeat(MAX_TAG + 1)).unwrap(), &table);
        assert!(seen.get(&ask(0)).is_none(), "its tag is too long");
    }
}
