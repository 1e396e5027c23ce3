//! Time and randomness, from outside.

use jiff::Timestamp;

/// Time and randomness, from outside.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The wall clock, for what is recorded. Durations are measured on the runtime's monotonic clock.
    pub now: fn() -> Timestamp,
    /// A number from 0 up to 1, for jitter.
    pub random: fn() -> f64,
    /// Any number, another one each time and in each process.
    pub nonce: fn() -> u64,
}

impl Clock {
    /// The wall clock's time.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// A number from 0 up to 1.
    pub fn random(&self) -> f64 {
        (self.random)()
    }

    /// A number that no other call gives, for what must not be taken for something else.
    pub fn nonce(&self) -> u64 {
        (self.nonce)()
    }
}
