//! A history as a tape of numbers: each choice that the world makes reads the next one. Zero stands for what happens when all
//! is well, and so does the end of the tape, so shorter and more zeros means a simpler history.

use std::ops::Range;

/// The tape and how far it was read.
pub struct Choices {
    tape: Vec<u16>,
    read: usize,
}

impl Choices {
    pub fn new(tape: Vec<u16>) -> Self {
        Self { tape, read: 0 }
    }

    /// Draws one of `weights`, each as likely as its weight; the first at the end of the tape.
    pub fn draw(&mut self, weights: &[u16]) -> usize {
        let number = self.tape.get(self.read).copied().unwrap_or_default();
        self.read += 1;
        let mut rest = number % weights.iter().sum::<u16>();
        for (index, weight) in weights.iter().enumerate() {
            if rest < *weight {
                return index;
            }
            rest -= weight;
        }
        0
    }

    /// Whether something has this chance, in percent.
    pub fn happens(&mut self, percent: u16) -> bool {
        self.draw(&[100 - percent, percent]) == 1
    }

    /// One of so many, all alike.
    pub fn below(&mut self, count: usize) -> usize {
        let number = self.tape.get(self.read).copied().unwrap_or_default();
        self.read += 1;
        usize::from(number) % count.max(1)
    }

    /// A number of seconds.
    pub fn seconds(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(usize::try_from(range.end - range.start).unwrap()) as u64
    }

    pub fn is_over(&self) -> bool {
        self.read >= self.tape.len()
    }
}

/// The simplest tape that `fails` still holds for: runs of choices are cut out and numbers set to zero, longest first, as
/// long as that helps.
pub fn shrink(mut tape: Vec<u16>, fails: impl Fn(&[u16]) -> bool) -> Vec<u16> {
    loop {
        let before = tape.clone();
        let mut length = tape.len();
        while length > 0 {
            let mut start = 0;
            while start < tape.len() {
                let end = (start + length).min(tape.len());
                let cut = [&tape[..start], &tape[end..]].concat();
                let mut zeroed = tape.clone();
                zeroed[start..end].fill(0);
                if fails(&cut) {
                    tape = cut;
                } else if zeroed != tape && fails(&zeroed) {
                    tape = zeroed;
                } else {
                    start = end;
                }
            }
            length /= 2;
        }
        if tape == before {
            return tape;
        }
    }
}
