//! Which of the listed names count.

use super::port::Ask;

/// What an object is to a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Read by whoever reads the place.
    Data,
    /// Tells that the data is complete.
    Marker,
    /// Nothing.
    Ignored,
}

/// The role of the object whose path below the place is `path`; that is empty where the place is the object itself.
pub(super) fn role(ask: &Ask, path: &str) -> Role {
    if ask.marker.as_deref() == Some(path) {
        return Role::Marker;
    }
    let mut segments = path.split('/').peekable();
    if ask.lance {
        segments.next_if_eq(&"_versions");
    }
    if segments.any(|segment| segment.starts_with(['_', '.'])) {
        return Role::Ignored;
    }
    let name = if path.is_empty() { &ask.place.key } else { path };
    let name = name.rsplit('/').next().unwrap_or(name);
    let wanted = ask.include.is_empty() || ask.include.iter().any(|glob| matches(glob.as_bytes(), name.as_bytes()));
    if wanted { Role::Data } else { Role::Ignored }
}

/// Whether a glob with `*` and `?` matches `name`, in at most their lengths' product of steps. `?` is a byte.
fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut glob, mut name) = (glob, name);
    // What follows the last star, and where that was tried last.
    let mut last: Option<(&[u8], &[u8])> = None;
    loop {
        match (glob.split_first(), name.split_first()) {
            (None, None) => return true,
            (Some((b'*', after)), _) => {
                last = Some((after, name));
                glob = after;
            }
            (Some((g, after)), Some((n, rest))) if *g == b'?' || g == n => (glob, name) = (after, rest),
            _ => {
                let Some((after, [_, rest @ ..])) = last else { return false };
                last = Some((after, rest));
                (glob, name) = (after, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{super::Place, *};

    fn ask(include: &[&str], lance: bool) -> Ask {
        Ask {
            place: Place::parse("s3://shop/products/_daily.parquet", None, None).unwrap(),
            include: include.iter().map(|&glob| glob.to_owned()).collect(),
            marker: Some("_SUCCESS".to_owned()),
            lance,
            newer_than: None,
            among: vec![],
        }
    }

    #[test]
    fn hidden_names_count_in_no_segment_but_for_the_marker() {
        let ask = ask(&[], false);
        for (path, expected) in [
            ("a.parquet", Role::Data),
            ("eu/a_b.c", Role::Data),
            ("a//b", Role::Data),
            ("a\nb", Role::Data),
            ("", Role::Data),
            ("_SUCCESS", Role::Marker),
            ("eu/_SUCCESS", Role::Ignored),
            ("_temporary/0/a.parquet", Role::Ignored),
            ("eu/.a.crc", Role::Ignored),
            ("./b", Role::Ignored),
            ("_versions/1.manifest", Role::Ignored),
        ] {
            assert_eq!(role(&ask, path), expected, "{path:?}");
        }
    }

    #[test]
    fn the_versions_of_a_lance_table_count() {
        let ask = ask(&[], true);
        assert_eq!(role(&ask, "_versions/1.manifest"), Role::Data);
        for path in ["_versions/.tmp", "_deletions/1", "eu/_versions/1.manifest"] {
            assert_eq!(role(&ask, path), Role::Ignored, "{path}");
        }
    }

    #[test]
    fn globs_are_matched_with_the_file_name() {
        let ask = ask(&["*.parquet", "part-?"], false);
        for (path, expected) in [
            ("eu/a.parquet", Role::Data),
            ("", Role::Data),
            ("x/part-1", Role::Data),
            ("part-10", Role::Ignored),
            ("a.parquet/b.csv", Role::Ignored),
            ("a.parquet.tmp", Role::Ignored),
        ] {
            assert_eq!(role(&ask, path), expected, "{path}");
        }
    }

    #[test]
    fn stars_match_any_number_of_bytes() {
        for (glob, name, expected) in [
            ("*", "", true),
            ("a*b*c", "abbc", true),
            ("a*b*c", "abb", false),
            ("*a?c", "aaabc", true),
            ("**", "x", true),
            ("", "x", false),
            ("?", "", false),
        ] {
            assert_eq!(matches(glob.as_bytes(), name.as_bytes()), expected, "{glob} {name}");
        }
        assert!(!matches("*a".repeat(200).as_bytes(), "a".repeat(199).as_bytes()));
    }
}
