//! How long a command waits.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::{exit::Exit, problem::Problem};

/// How long a command waits in all, from when it began. The clock of tokio is monotonic: setting that of the machine moves no
/// deadline.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    length: Duration,
    /// None for as long as it takes.
    end: Option<Instant>,
}

impl Limit {
    /// So long from now; none for as long as it takes.
    pub fn from_now(length: Option<Duration>) -> Self {
        let end = length.and_then(|length| Instant::now().checked_add(length));
        Self { length: length.unwrap_or_default(), end }
    }

    /// Comes when the time is over.
    pub async fn over(self) {
        match self.end {
            Some(end) => sleep_until(end).await,
            None => std::future::pending().await,
        }
    }

    /// The result of `work`, which is given up when the time is over: an API server that is overloaded is asked again for
    /// minutes.
    ///
    /// # Errors
    /// Those of `work`, or that the time is over.
    pub async fn of<T>(self, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        let Some(end) = self.end else { return work.await };
        timeout_at(end, work).await.unwrap_or_else(|_| {
            let message = format!("The cluster has not answered within {}. This command ends.", self.in_words());
            Err(Problem::new(Exit::Timeout, message))
        })
    }

    /// As somebody has written it: `1h30m`.
    pub fn in_words(self) -> String {
        let (seconds, rest) = (self.length.as_secs(), u64::from(self.length.subsec_millis()));
        let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"), (rest, "ms")];
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number}{unit}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_as_it_is_written() {
        let told = |milliseconds| Limit::from_now(Some(Duration::from_millis(milliseconds))).in_words();
        for (milliseconds, words) in
            [(3_600_000, "1h"), (5_400_000, "1h30m"), (61_000, "1m1s"), (250, "250ms"), (1500, "1s500ms")]
        {
            assert_eq!(told(milliseconds), words);
        }
    }

    #[tokio::test]
    async fn work_that_does_not_end_is_given_up() {
        let never = std::future::pending::<Result<(), Problem>>();
        let problem = Limit::from_now(Some(Duration::from_millis(1))).of(never).await.map_err(|problem| problem.exit);
        assert_eq!(problem, Err(Exit::Timeout));
        let work = async { Ok(1) };
        assert_eq!(Limit::from_now(None).of(work).await, Ok(1));
    }
}
