//! Why targets are missed, by row. A missed row without a reason fails the bench: every miss is to be explained.

/// Row and reason, in whole sentences. A reason is shown only while its row is missed.
const REASONS: &[(&str, &str)] = &[
    (
        "cost-cpu",
        "The three sizes follow each other over minutes, and the speed of a shared machine changes meanwhile. The counts \
         beside it, which do not depend on the machine, do not grow.",
    ),
    (
        "cpu",
        "What is left is TLS, HTTP and JSON of the status writes and of their echo by the watch, which no pass \
         can do without. The ratio also moves by a tenth from run to run with what else the API server does.",
    ),
    (
        "rss-finished",
        "More than half of it is the idle operator, most of that the pages of its program; and a table for 10,000 \
         has room for 16,384. What one more takes is the row to compare.",
    ),
    (
        "rss-idle",
        "All of it but some 1.4 MiB is the program: pages of a file, of which the system maps as many as it has at hand, which \
         all operators of a machine share, and which it can drop.",
    ),
    ("cold-start", START),
    ("cold-start-scheduled", START),
    (
        "cold-start-api-cpu",
        "A start opens two watches where the bare list opens one, and the figure moves by a tenth from run to \
         run.",
    ),
    ("burst-median", BURST),
    ("burst-p99", BURST),
    ("api-cpu-short", API_SERVER),
    ("api-cpu-many", API_SERVER),
    (
        "watch-neighbour",
        "Sources are looked at as often as may be here: 33 lists of 1,000 objects a second, on the one thread that \
         reports the jobs, too. It is a few hundredths of a second that a job's end waits longer.",
    ),
    ("crowd-median", TICK),
    ("crowd-p99", TICK),
    ("created-median", CLAIM),
    ("created-p99", CLAIM),
    (
        "binary",
        "The clients of object stores, catalogs and clouds came with watched sources. All but the path of a call and \
         of a status is built small already.",
    ),
];

const START: &str = "The objects are read as fast as the API server sends them. What is left is the start of the process, its lease, \
                     and the noise of a machine on which the bare list alone moves by a third from run to run.";

const BURST: &str = "The jobs end at 500 a second, more than this machine's API server writes a second with nothing else to do: what \
                     is left is its queue. The row of the bare API server compares with just that.";

const API_SERVER: &str = "It is the API server's own price of its requests on this machine, as the row below says: a creation, \
                          three or four status writes with their echo to the watch, and one or two Events. The operator asks \
                          for nothing else.";

const TICK: &str = "One List shows all jobs that have ended within a tick, and their statuses are written as fast as the API server \
                    takes them, with an Event each behind them.";

const CLAIM: &str = "The claim, a status write more before each start, is what makes it one start a run whatever crashes; and the \
                     writes of all hundred compete with their creations for one API server. The rows of the peer that claims, too, \
                     say what is left beyond that.";

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
