//! Why targets are missed, by row. A missed row without a reason fails the bench: every miss is to be explained.

/// Row and reason, in whole sentences. A reason is shown only while its row is missed.
const REASONS: &[(&str, &str)] = &[
    (
        "cost-cpu",
        "The three sizes follow each other over minutes, and the speed of a shared machine changes meanwhile: the \
         run before, of nearly the same code, had 2.24, 2.13 and 2.15 ms. The counts beside it, which do not depend on \
         the machine, do not grow.",
    ),
    (
        "cpu",
        "What is left is TLS, HTTP and JSON of the status writes and of their echo by the watch, which no pass \
         can do without. The ratio also moves by a tenth from run to run with what else the API server does.",
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
