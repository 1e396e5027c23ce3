//! How large the bench is: 1 is the size of the targets, less is for trying the bench itself.

use std::time::Duration;

/// A share of the full size.
#[derive(Clone, Copy, Debug)]
pub struct Scale(pub f64);

impl Scale {
    /// Whether the figures speak of the targets.
    pub fn is_full(self) -> bool {
        self.0 >= 1.0
    }

    /// That share of `full` objects, at least 10 of them where there are as many.
    pub fn count(self, full: usize) -> usize {
        ((full as f64 * self.0) as usize).clamp(full.min(10), full)
    }

    /// That share of the time `full`, at least a tenth.
    pub fn time(self, full: Duration) -> Duration {
        full.mul_f64(self.0.clamp(0.1, 1.0))
    }
}
