//! What in an answer would take memory, though nobody keeps it.
//!
//! The parser collects a text before it looks whether that belongs there: keys, and texts where a number or a structure should
//! be. Only the values of fields that nobody reads it skips without collecting, but notes how deep it is in them.

use std::io::{self, Read};

/// Longest text, in bytes as they come, and so what a text costs a few times. Nobody needs one that is longer than 2 KiB, but
/// what comes cannot tell the needed ones from the others, and properties of tables hold whole schemas: as long as AWS Glue lets
/// one be.
pub(super) const MAX_TEXT: usize = 512 << 10;

/// Deepest nesting: one byte each.
pub(super) const MAX_DEPTH: usize = 1000;

/// Passes JSON on, and fails where it goes beyond these limits.
pub(super) struct Guard<R> {
    input: R,
    /// The bytes of the text that it is in.
    text: Option<usize>,
    escaped: bool,
    depth: usize,
}

impl<R> Guard<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, text: None, escaped: false, depth: 0 }
    }

    fn see(&mut self, byte: u8) {
        match (&mut self.text, byte) {
            (Some(_), b'"') if !self.escaped => self.text = None,
            (Some(length), byte) => {
                *length = length.saturating_add(1);
                self.escaped = byte == b'\\' && !self.escaped;
            }
            (None, b'"') => self.text = Some(0),
            (None, b'[' | b'{') => self.depth = self.depth.saturating_add(1),
            (None, b']' | b'}') => self.depth = self.depth.saturating_sub(1),
            (None, _) => {}
        }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        for byte in into.iter().take(read) {
            self.see(*byte);
            if self.text.is_some_and(|length| length > MAX_TEXT) || self.depth > MAX_DEPTH {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this passes, read in pieces of every length.
    fn passes(text: &str) -> bool {
        let pass = |piece: usize| {
            let mut guard = Guard::new(text.as_bytes());
            let mut into = vec![0; piece];
            loop {
                match guard.read(&mut into) {
                    Ok(0) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        let whole = pass(text.len().max(1));
        for piece in [1, 2, 3, 1000] {
            assert_eq!(pass(piece), whole, "in pieces of {piece}");
        }
        whole
    }

    #[test]
    fn a_text_ends_at_its_quote_and_not_at_an_escaped_one() {
        let half = "x".repeat(MAX_TEXT / 2);
        for short in [
            format!(r#""{half}{half}""#),
            format!(r#"["{half}","{half}","{half}"]"#),
            format!(r#"["{half}\\","{half}\\","{half}"]"#),
            format!(r#"["{half}\"\\","{half}"]"#),
            " ".repeat(2 * MAX_TEXT),
        ] {
            assert!(passes(&short), "{}", short.replace(&half, "half"));
        }
        for long in [
            format!(r#""{half}{half}x""#),
            format!(r#"["{half}\"{half}"]"#),
            format!(r#"["{half}\\\"{half}"]"#),
            format!(r#"{{"{half}\\{half}":1}}"#),
        ] {
            assert!(!passes(&long), "{}", long.replace(&half, "half"));
        }
    }

    #[test]
    fn what_closes_is_no_depth_and_brackets_in_a_text_are_none() {
        let (open, close) = ("[{".repeat(MAX_DEPTH / 2), "}]".repeat(MAX_DEPTH / 2));
        assert!(passes(&format!("{open}{close}{open}{close}")));
        assert!(passes(&format!(r#"{open}"{open}"{close}"#)));
        assert!(!passes(&format!("{open}[")));
    }
}
