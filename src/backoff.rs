//! Pauses that grow with each failure in a row, and the share of chance that keeps many from coming back at once.

use std::time::Duration;

/// The pause after `failures` failures in a row: `first` after one, twice that after two and so on, at most `longest`; none
/// without a failure.
pub fn doubled(first: Duration, failures: u32, longest: Duration) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest),
    }
}

/// `pause`, shortened by up to a quarter as `random` (0 to 1) has it: for what must not come later.
pub fn shortened(pause: Duration, random: f64) -> Duration {
    pause.mul_f64(1.0 - 0.25 * share(random))
}

/// `pause`, lengthened by up to a tenth as `random` (0 to 1) has it: for what must not come sooner.
pub fn lengthened(pause: Duration, random: f64) -> Duration {
    pause.saturating_add(pause.mul_f64(0.1 * share(random)))
}

/// Anything else than 0 to 1 counts as its nearest.
fn share(random: f64) -> f64 {
    if random.is_nan() { 0.0 } else { random.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_pause_doubles_with_each_failure_up_to_the_longest() {
        let pauses = [0, 1, 2, 3, 4, 5, 40, u32::MAX].map(|failures| doubled(S, failures, 10 * S).as_secs());
        assert_eq!(pauses, [0, 1, 2, 4, 8, 10, 10, 10]);
    }

    #[test]
    fn chance_takes_a_quarter_or_adds_a_tenth_at_most() {
        let randoms = [0.0, 0.5, 1.0, 7.0, -1.0, f64::NAN];
        assert_eq!(randoms.map(|random| shortened(4 * S, random).as_millis()), [4000, 3500, 3000, 3000, 4000, 4000]);
        assert_eq!(randoms.map(|random| lengthened(4 * S, random).as_millis()), [4000, 4200, 4400, 4400, 4000, 4000]);
        assert_eq!(lengthened(Duration::MAX, 0.0), Duration::MAX);
    }
}
