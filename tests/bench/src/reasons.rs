//! Why targets are missed, by row. A missed row without a reason fails the bench: every miss is to be explained.

/// Row and reason, in whole sentences. A reason is shown only while its row is missed.
const REASONS: &[(&str, &str)] = &[
    (
        "rss-finished",
        "A stored object is kept decoded, with its spec, six conditions and last run in about 45 allocations \
         of their own; that and what the watch, the index and the metrics know of it comes to 6.7 KiB each. \
         Keeping an object that rests as one text, decoded when it is looked at, would change the store that \
         every pass reads from and is not done yet.",
    ),
    (
        "rss-active",
        "Each active refresh has its stored object, the last status that was written until the watch shows \
         it, and its place in the poller, the index and the slots, and a List of 1,000 jobs is decoded whole \
         on each tick. The part that is due to the stored objects goes with the miss above.",
    ),
    (
        "cpu",
        "Each status write comes back twice, as the reply and by the watch, and is decoded with its managed \
         fields each time; and each tick of the poller wakes the passes of jobs whose progress has moved, \
         most of which then hold the write back for the budget. Waking only what may be written would save \
         the larger part; it is not done yet.",
    ),
];

/// The reason for a miss of the row `id`.
pub fn reason(id: &str) -> Option<&'static str> {
    REASONS.iter().find(|(row, _)| *row == id).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::ORDER;

    #[test]
    fn each_reason_is_of_a_row() {
        for (row, _) in REASONS {
            assert!(ORDER.contains(row), "{row}");
        }
    }
}
