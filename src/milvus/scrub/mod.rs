//! Removes credentials from text that came from Milvus, before anyone reads it.
//!
//! Milvus echoes what it refuses, and it quotes what it echoes: a password may come back as it is, as a JSON string, as a
//! Go string, or as one inside the other. So a secret is not searched for as text: every place of the text is read
//! through 0 to 3 levels of unescaping and compared character by character.

use std::sync::Arc;

use parking_lot::RwLock;

mod credentials;
mod escaping;
mod known;
#[cfg(test)]
mod tests;

pub(super) use credentials::without_login;
pub use credentials::{CREDENTIAL_KEYS, credentials_in};
use escaping::{MAX_DEPTH, next};
use known::Known;
pub use known::Secrets;

/// Longest message that leaves this module, in bytes.
pub const MAX_MESSAGE: usize = 1024;

/// As much of a text is looked at: room for masking and joining lines, which shorten it.
const MAX_READ: usize = 16 * MAX_MESSAGE;

const MASK: &str = "***";

/// A shorter secret is only removed where it stands alone: masking every "a" would destroy the text and tell the secret.
const MIN_LENGTH: usize = 4;

/// Knows the secrets of one connection and keeps them out of messages. Clones are cheap and share what is learned.
#[derive(Clone, Debug, Default)]
pub struct Scrubber {
    known: Arc<RwLock<Known>>,
}

impl Scrubber {
    /// Removes `secrets` as well from now on: for as long as somebody else holds them too, and for a good while longer.
    pub fn learn(&self, secrets: &Arc<Secrets>) {
        self.known.write().learn(secrets);
    }

    /// `text` on one line, without credentials, at most [`MAX_MESSAGE`] bytes long.
    pub fn message(&self, text: &str) -> String {
        // Cutting before the search is safe: what is cut off in the middle is masked to the end of the text.
        let read = text.get(..text.floor_char_boundary(MAX_READ)).unwrap_or_default();
        cut(&one_line(&credentials::mask(&self.mask_secrets(read))))
    }

    fn mask_secrets(&self, text: &str) -> String {
        let known = self.known.read();
        if known.is_empty() {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut previous = None;
        while let Some((c, after)) = next(rest, 0) {
            if let Some(after) = secret_at(&known, rest, previous) {
                out.push_str(MASK);
                previous = Some('*');
                rest = after;
            } else {
                out.push(c);
                previous = Some(c);
                rest = after;
            }
        }
        out
    }
}

/// What follows the longest secret that `text` begins with.
fn secret_at<'a>(known: &Known, text: &'a str, previous: Option<char>) -> Option<&'a str> {
    let readings = (0..=MAX_DEPTH).filter_map(|depth| next(text, depth).map(|(first, _)| (depth, first)));
    let found = readings.flat_map(|(depth, first)| {
        known.beginning_with(first).filter_map(move |secret| {
            let after = after_secret(text, secret, depth)?;
            let alone = !previous.is_some_and(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
            (alone || secret.chars().nth(MIN_LENGTH - 1).is_some()).then_some(after)
        })
    });
    found.min_by_key(|after| after.len())
}

/// What follows `secret` in `text`, read through `depth` levels of escaping. A text that ends within the secret counts as
/// well, as soon as enough of it is told: servers cut long texts.
fn after_secret<'a>(text: &'a str, secret: &str, depth: u8) -> Option<&'a str> {
    let mut rest = text;
    for (told, wanted) in secret.chars().enumerate() {
        match next(rest, depth) {
            Some((c, after)) if c == wanted => rest = after,
            None if told >= MIN_LENGTH => return Some(""),
            _ => return None,
        }
    }
    Some(rest)
}

/// Line breaks, runs of white space and control characters become single spaces.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// At most [`MAX_MESSAGE`] bytes of `text`; an ellipsis tells that something is missing.
pub(super) fn cut(text: &str) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= MAX_MESSAGE {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_MESSAGE - ELLIPSIS.len());
    text.get(..end).unwrap_or_default().to_owned() + ELLIPSIS
}
