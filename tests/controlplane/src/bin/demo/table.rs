//! The table of refreshes, as kubectl prints it, live.

use std::io::{self, IsTerminal, Write};

/// Shows a table again whenever it changed: in place on a terminal, else below the last one.
pub struct Table {
    in_place: bool,
    shown: String,
}

impl Table {
    /// An empty table on standard output.
    pub fn new() -> Self {
        Self { in_place: io::stdout().is_terminal(), shown: String::new() }
    }

    /// Shows `text` if it differs from what is shown, and says whether more than ages differ.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn show(&mut self, text: &str) -> io::Result<bool> {
        let changed = without_age(text) != without_age(&self.shown);
        let mut out = io::stdout().lock();
        if self.in_place && text != self.shown {
            let lines = self.shown.lines().count();
            if lines > 0 {
                // Up to the first line of the old table, and clear from there.
                write!(out, "\x1b[{lines}A\x1b[J")?;
            }
            write!(out, "{text}")?;
        } else if !self.in_place && changed {
            writeln!(out, "{text}")?;
        }
        out.flush()?;
        text.clone_into(&mut self.shown);
        Ok(changed)
    }
}

/// The table without its last column, which changes every second.
fn without_age(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.rsplit_once(' ').map_or(line, |(rest, _)| rest.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::without_age;

    #[test]
    fn growing_older_is_no_change() {
        let table = |state: &str, age: &str| format!("NAME       STATE    AGE\nproducts   {state}  {age}\n");
        assert_eq!(without_age(&table("Pending", "9s")), without_age(&table("Pending", "10s")));
        assert_ne!(without_age(&table("Pending", "9s")), without_age(&table("Complete", "9s")));
    }
}
