//! A listing as it is folded, object by object, into a snapshot.

use std::cmp::Ordering;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    names::{self, Role},
    page::Object,
    port::{Ask, Digest, MAX_NAMES, Marker, Newer, Snapshot},
};

/// Longest name that a snapshot shows, in bytes.
const MAX_NAME: usize = 256;

/// What is known of a listing so far.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    ask: &'a Ask,
    paths: Sha256,
    contents: Sha256,
    so_far: Snapshot,
    since: Option<i64>,
    last: Option<String>,
    /// Whether the order is that of bytes, and that of folders, where `/` comes before everything: stores have either.
    by_bytes: bool,
    by_folders: bool,
}

impl<'a> Tally<'a> {
    pub(super) fn new(ask: &'a Ask) -> Self {
        let nothing = Digest(Sha256::digest([]).into());
        Self {
            ask,
            paths: Sha256::new(),
            contents: Sha256::new(),
            so_far: Snapshot {
                paths: nothing,
                contents: nothing,
                objects: 0,
                bytes: 0,
                marker: None,
                newer: Newer::default(),
            },
            since: ask.newer_than.map(Timestamp::as_second),
            last: None,
            by_bytes: true,
            by_folders: true,
        }
    }

    /// Takes an object whose path below the place is `path`.
    ///
    /// # Errors
    /// What is wrong with the order.
    pub(super) fn add(&mut self, path: &str, object: Object) -> Result<(), &'static str> {
        if let Some(last) = &self.last {
            self.by_bytes &= last.as_str() < object.key.as_str();
            self.by_folders &= by_folders(last, &object.key) == Ordering::Less;
            if !self.by_bytes && !self.by_folders {
                return Err("its objects are out of order");
            }
        }
        match names::role(self.ask, path) {
            Role::Data if !object.is_folder => self.count(path, &object),
            Role::Marker => self.so_far.marker = Some(Marker { modified: object.modified, etag: object.etag }),
            Role::Data | Role::Ignored => {}
        }
        self.last = Some(object.key);
        Ok(())
    }

    fn count(&mut self, path: &str, object: &Object) {
        put(&mut self.paths, object.key.as_bytes());
        put(&mut self.contents, object.key.as_bytes());
        self.contents.update(object.size.to_be_bytes());
        put(&mut self.contents, object.etag.as_bytes());
        self.so_far.objects += 1;
        self.so_far.bytes = self.so_far.bytes.saturating_add(object.size);
        if self.since.is_some_and(|since| object.modified.as_second() >= since) {
            let name = shown(if path.is_empty() { &object.key } else { path });
            let newer = &mut self.so_far.newer;
            if !self.ask.among.is_empty() && !self.ask.among.contains(&name) {
                return;
            }
            newer.count += 1;
            if newer.names.len() < MAX_NAMES {
                newer.names.push(name);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    pub(super) fn finish(self) -> Snapshot {
        let [paths, contents] = [self.paths, self.contents].map(|digest| Digest(digest.finalize().into()));
        Snapshot { paths, contents, ..self.so_far }
    }
}

/// With its length before it, so that no two lists of texts are one.
fn put(digest: &mut Sha256, text: &[u8]) {
    digest.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(text);
}

/// As a walk through folders has it: Azure with a hierarchical namespace, and stores on file systems.
fn by_folders(a: &str, b: &str) -> Ordering {
    let rank = |b: u8| if b == b'/' { 0 } else { u16::from(b) + 1 };
    a.bytes().map(rank).cmp(b.bytes().map(rank))
}

/// A name as it can be shown: on one line and not too long.
fn shown(name: &str) -> String {
    let line: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if line.len() <= MAX_NAME {
        return line;
    }
    let end = line.floor_char_boundary(MAX_NAME - '…'.len_utf8());
    line.get(..end).unwrap_or_default().to_owned() + "…"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{super::Place, *};

    fn ask() -> Ask {
        let place = Place::parse("s3://shop/p", None, None).unwrap();
        Ask {
            place,
            include: vec![],
            marker: None,
            lance: false,
            newer_than: Some("2026-01-01T00:00:05.7Z".parse().unwrap()),
            among: vec![],
        }
    }

    fn object(key: &str) -> Object {
        Object {
            key: key.to_owned(),
            size: 1,
            etag: "e".to_owned(),
            modified: "2026-01-01T00:00:00Z".parse().unwrap(),
            is_folder: false,
        }
    }

    fn tally(objects: &[Object]) -> Result<Snapshot, &'static str> {
        let ask = ask();
        let mut tally = Tally::new(&ask);
        for object in objects {
            tally.add(object.key.strip_prefix("p/").unwrap(), object.clone())?;
        }
        Ok(tally.finish())
    }

    #[test]
    fn a_rewrite_in_place_changes_the_contents_alone() {
        let before = tally(&[object("p/a"), object("p/b")]).unwrap();
        for rewritten in [Object { size: 2, ..object("p/b") }, Object { etag: "f".to_owned(), ..object("p/b") }] {
            let after = tally(&[object("p/a"), rewritten]).unwrap();
            assert_eq!(after.paths, before.paths);
            assert_ne!(after.contents, before.contents);
        }
        let touched = Object { modified: "2026-01-01T00:00:01Z".parse().unwrap(), ..object("p/b") };
        assert_eq!(tally(&[object("p/a"), touched]).unwrap(), before);
    }

    #[test]
    fn other_paths_change_both_digests_and_no_two_lists_are_one() {
        let all: Vec<Snapshot> = [
            &[][..],
            &[object("p/a")],
            &[object("p/ab")],
            &[object("p/a"), object("p/b")],
            &[object("p/a"), object("p/b"), object("p/c")],
        ]
        .map(|objects| tally(objects).unwrap())
        .into();
        for (at, one) in all.iter().enumerate() {
            for other in all.iter().skip(at + 1) {
                assert_ne!(one.paths, other.paths);
                assert_ne!(one.contents, other.contents);
            }
        }
        assert_eq!(
            all.iter().map(|one| (one.objects, one.bytes)).collect::<Vec<_>>(),
            [(0, 0), (1, 1), (1, 1), (2, 2), (3, 3)]
        );
        assert_eq!(
            all.first().unwrap().paths.to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn what_was_written_in_the_second_of_the_time_or_later_is_newer() {
        let at = |key, time: &str| Object { modified: time.parse().unwrap(), ..object(key) };
        let snapshot = tally(&[
            at("p/a", "2026-01-01T00:00:04.999Z"),
            at("p/b", "2026-01-01T00:00:05Z"),
            at("p/c\nd", "2026-01-01T00:00:06Z"),
        ]);
        assert_eq!(snapshot.unwrap().newer, Newer { count: 2, names: vec!["b".to_owned(), "c\u{fffd}d".to_owned()] });
    }

    #[test]
    fn of_what_is_newer_only_the_names_that_were_asked_for_are_told() {
        let newer = |key| Object { modified: "2027-01-01T00:00:00Z".parse().unwrap(), ..object(key) };
        let ask = Ask { among: vec!["b".to_owned(), "gone".to_owned()], ..ask() };
        let mut tally = Tally::new(&ask);
        for key in ["p/a", "p/b", "p/c"] {
            tally.add(key.strip_prefix("p/").unwrap(), newer(key)).unwrap();
        }
        assert_eq!(tally.finish().newer, Newer { count: 1, names: vec!["b".to_owned()] });
    }

    #[test]
    fn a_snapshot_holds_few_and_short_names() {
        let newer = |at| Object {
            modified: "2027-01-01T00:00:00Z".parse().unwrap(),
            ..object(&format!("p/{at:03}{}", "é".repeat(500)))
        };
        let snapshot = tally(&(0..100).map(newer).collect::<Vec<_>>()).unwrap();
        assert_eq!((snapshot.newer.count, snapshot.newer.names.len()), (100, MAX_NAMES));
        assert!(snapshot.newer.names.iter().all(|name| name.len() <= MAX_NAME && name.ends_with('…')));
    }

    #[test]
    fn objects_come_in_the_order_of_bytes_or_of_folders() {
        let order = |keys: &[&str]| tally(&keys.iter().map(|key| object(key)).collect::<Vec<_>>());
        assert!(order(&["p/a-b", "p/a/b", "p/a0"]).is_ok());
        assert!(order(&["p/a/b", "p/a-b", "p/a0"]).is_ok());
        assert!(order(&["p/b", "p/a"]).is_err());
        assert!(order(&["p/a", "p/a"]).is_err());
        assert!(order(&["p/a-b", "p/a/b", "p/c/d", "p/c-d"]).is_err(), "now the one, now the other");
    }
}
