//! The rules for collection names and the quoting of what is echoed in errors.

use std::fmt::Write;

use super::refusal::Refusal;

/// Milvus' default limit, in bytes.
const MAX_NAME_LENGTH: usize = 255;

/// Names and aliases of collections: a letter or underscore, then letters, digits and underscores.
pub(super) fn check_collection(name: &str) -> Result<(), Refusal> {
    let Some(first) = name.chars().next() else {
        return Err(Refusal::invalid("collection name should not be empty"));
    };
    let broken = if name.len() > MAX_NAME_LENGTH {
        format!("the length of a collection name must be less than {MAX_NAME_LENGTH} characters")
    } else if !(first == '_' || first.is_ascii_alphabetic()) {
        "the first character of a collection name must be an underscore or letter".to_owned()
    } else if !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
        "collection name can only contain numbers, letters and underscores".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(format!("Invalid collection name: {name}. {broken}")))
}

/// The text as Go's `%q` prints it: the server echoes a rejected source and spec this way, secrets included.
pub(super) fn go_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            // Writing to a String cannot fail.
            c if c.is_ascii_control() => _ = write!(quoted, "\\x{:02x}", u32::from(c)),
            c if c.is_control() => _ = write!(quoted, "\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
