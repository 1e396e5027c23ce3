//! From the reason of a failed job to its class. Milvus gives free text whose wording differs between releases and, where
//! it quotes a storage, between storages.

use super::FailureClass::{self, *};

/// What a reason says, and the class of it. The first that fits decides, so what is certain comes before what is loose.
///
/// Compared are letters and digits alone, without case: one storage says `NoSuchBucket`, another `NO_SUCH_BUCKET`, a
/// third `no such bucket`. An asterisk stands for anything between.
const RULES: &[(FailureClass, &[&str])] = &[
    (IndexWaitTimeout, &["timeout waiting for indexes"]),
    (SourceEmpty, &["no files found in external source", "refusing to drop all", "zero total rows", "zero rows"]),
    // Quotes whole specs, which may say anything.
    (ServerInternal, &["task source mismatch"]),
    (InvalidSpec, &["failed revalidation", "failed to parse external spec", "unsupported format"]),
    (
        SourceAccessDenied,
        &[
            "access denied",
            "permission denied",
            "permission * denied on resource",
            "forbidden",
            "http status 403",
            "http status 401",
            "unauthorized",
            "not authorized to perform",
            "authorization failure",
            "authorization permission mismatch",
            "authentication failed",
            "invalid access key",
            "signature does not match",
            "expired token",
            "security token",
            "invalid grant",
            "invalid credential",
            "no credential",
            "no valid credential",
            "credentials provider",
        ],
    ),
    (
        SourceNotFound,
        &[
            "no such bucket",
            "no such key",
            "no such file",
            "bucket not found",
            "container not found",
            "blob not found",
            "key not found",
            "resource not found",
            "path not found",
            "bucket does not exist",
            "container does not exist",
            "blob does not exist",
            "key does not exist",
            "path does not exist",
        ],
    ),
    (
        SchemaMismatch,
        &[
            "not found in schema",
            "column not found",
            "column * not found",
            "column * is missing",
            "type mismatch",
            "schema mismatch",
            "schema * does not match",
            "schema invalid",
            // What older servers say of a column that is not in the files.
            "external field size sampling failed * refusing to emit",
        ],
    ),
    (NotExternalCollection, &["is not an external collection"]),
    (
        CollectionNotFound,
        &["collection not found", "can't find collection", "explore external files: collection * not found"],
    ),
    (DatabaseNotFound, &["database not found", "can't find database"]),
    (
        ServerInternal,
        &["task result not found", "task not found", "query task failed", "requested retry", "job canceled"],
    ),
];

pub(super) fn class_of(reason: &str) -> FailureClass {
    let reason = reason.trim();
    if reason.eq_ignore_ascii_case("timeout") {
        return JobTimeout;
    }
    // Newer servers try a source again and again until the time is over. What kept failing is then what has to be put
    // right; a longer time would not help.
    match strip_prefix_ignoring_case(reason, "timeout, last failure") {
        Some(last) => match class_by_rules(last) {
            class @ (InvalidSpec | SourceNotFound | SourceAccessDenied | SourceEmpty | SchemaMismatch) => class,
            _ => JobTimeout,
        },
        None => class_by_rules(reason),
    }
}

fn class_by_rules(reason: &str) -> FailureClass {
    let text =
        letters(reason.split(|c: char| c.is_whitespace() || "[](){}<>,;".contains(c)).filter(|word| !is_path(word)));
    let says = |pattern: &&str| {
        let mut parts = pattern.split('*').map(|part| letters([part]));
        parts.try_fold(text.as_str(), |rest, part| rest.split_once(&part).map(|(_, after)| after)).is_some()
    };
    let rule = RULES.iter().find(|(_, patterns)| patterns.iter().any(says));
    rule.map_or(Unknown, |(class, _)| *class)
}

/// The names that a path is made of tell nothing about the failure.
fn is_path(word: &str) -> bool {
    word.contains('/')
}

fn letters<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().flat_map(str::chars).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}
