//! How long a run will still take, from how long the last ones took.

use jiff::Timestamp;
use milvus_refresh_operator::api::RefreshStatus;

use super::past::took;

/// How long a run will still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eta {
    /// So many seconds, by so many runs.
    Left {
        /// The seconds.
        seconds: i64,
        /// How long runs usually take, in seconds.
        usual: i64,
    },
    /// It takes longer than usual.
    Late {
        /// How long runs usually take, in seconds.
        usual: i64,
    },
}

/// How long the job that is running will still take: none without a job, or without a run that completed.
pub fn eta(status: &RefreshStatus, now: Timestamp) -> Option<Eta> {
    let started = status.start_time.as_ref().filter(|_| status.completion_time.is_none() && status.job_id.is_some())?;
    let mut durations: Vec<i64> = status.history.iter().filter(|run| run.class.is_none()).filter_map(took).collect();
    durations.sort_unstable();
    // One that took unusually long says little about the next.
    let usual = *durations.get(durations.len() / 2)?;
    let left = usual - now.duration_since(started.0).as_secs().max(0);
    Some(if left > 0 { Eta::Left { seconds: left, usual } } else { Eta::Late { usual } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_takes_as_long_as_the_one_in_the_middle_of_those_that_completed() {
        let past = |class: Option<&str>, minutes: i64| {
            json!({ "number": 1, "state": "RefreshCompleted", "class": class, "startTime": "2026-11-26T09:00:00Z",
                "completionTime": format!("2026-11-26T09:{minutes:02}:00Z") })
        };
        let history = [past(None, 4), past(Some("JobTimeout"), 59), past(None, 30), past(None, 5)];
        let status: RefreshStatus =
            serde_json::from_value(json!({ "jobID": "7", "startTime": "2026-11-26T10:00:00Z", "history": history }))
                .unwrap();
        let at = |text: &str| eta(&status, text.parse().unwrap());
        assert_eq!(at("2026-11-26T10:01:00Z"), Some(Eta::Left { seconds: 240, usual: 300 }));
        assert_eq!(at("2026-11-26T10:05:00Z"), Some(Eta::Late { usual: 300 }));
        let ended = RefreshStatus { completion_time: status.start_time.clone(), ..status.clone() };
        assert_eq!(eta(&ended, Timestamp::UNIX_EPOCH), None);
        let first = RefreshStatus { history: Vec::new(), ..status };
        assert_eq!(eta(&first, Timestamp::UNIX_EPOCH), None);
    }
}
