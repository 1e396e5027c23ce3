//! What is said of a refresh that has nothing to do.

use milvus_refresh_operator::refresh::{FailureClass, Fresh, FreshReason, SCHEDULE_MISSED};

use super::{Case, Verdict};
use crate::{
    named::named,
    screen::{age, ahead},
};

/// Events that say why nothing happens.
const TOLD: [&str; 2] = ["TTLSkipped", SCHEDULE_MISSED];

impl Case<'_> {
    /// Nothing is due, or starts are held.
    pub fn rests(&self) -> Verdict {
        let next = self.next();
        let failure = next.failure.filter(|_| next.ended());
        let last = self.last_result(failure);
        let idle = failure.is_none() && next.ended() && self.not_served().is_none();
        let (why, last, source) = match (&next.suspended, self.source_news()) {
            (Some(held), news) => (held.clone(), Some(sentence(&last)), news),
            (None, Some(news)) if idle => (news.message.clone(), Some(sentence(&last)), None),
            (None, None) if idle => (format!("{last}, and nothing asks for another."), None, None),
            (None, news) => (format!("{last}."), None, news),
        };
        let mut then: Vec<String> = last.into_iter().chain(source.map(|news| news.message.clone())).collect();
        then.extend(self.not_served().map(str::to_owned));
        then.extend(failure.map(|class| class.remedy().split(" More: ").next().unwrap_or_default().to_owned()));
        let told = self.decision.notices.iter().filter(|notice| TOLD.contains(&notice.reason));
        then.extend(told.map(|notice| notice.message.clone()));
        then.extend(next.invalid_schedule.clone());
        then.push(self.what_makes_it_run());
        Verdict { why: format!("{} does not run: {why}", self.name()), then, failure }
    }

    /// What is to be said of the watched source, unless the collection has all of it.
    fn source_news(&self) -> Option<&Fresh> {
        let kept = self.want.watch.as_ref().and(self.next().watch.as_ref())?;
        kept.fresh.as_ref().filter(|fresh| fresh.reason != FreshReason::UpToDate)
    }

    /// What a check at rest found, where the object is not ready because of it.
    fn not_served(&self) -> Option<&str> {
        let checked = self.next().verification.as_ref().filter(|checked| checked.stalls)?;
        Some(&checked.message)
    }

    /// How the last run ended.
    fn last_result(&self, failure: Option<FailureClass>) -> String {
        let next = self.next();
        if !next.ended() {
            return "nothing has asked for its first run yet".to_owned();
        }
        let ended =
            next.job.completion_time.map(|time| format!(" {} ago", age(time, self.known.now))).unwrap_or_default();
        let run = self.run_in_words();
        let Some(class) = failure else {
            let later = if self.not_served().is_some() { ", but a check failed later" } else { "" };
            return format!("run {run} completed{ended}{later}");
        };
        let reason =
            if next.job.reason.is_empty() { "Milvus gave no reason" } else { next.job.reason.trim_end_matches('.') };
        let again = match (class.retryable(), next.run.as_ref().map_or(0, |run| run.failures)) {
            (false, _) => "which is not retried".to_owned(),
            (true, 0) => "and spec.backoffLimit allows no retry".to_owned(),
            (true, 1) => "and so did its retry".to_owned(),
            (true, retries) => format!("and so did its {retries} retries"),
        };
        format!("run {run} failed{ended} with {}, {again}: {reason}", class.as_str())
    }

    /// What would make it run.
    fn what_makes_it_run(&self) -> String {
        let (next, now) = (self.next(), self.known.now);
        if next.suspended.is_some() {
            return self.resume();
        }
        if self.want.terminating {
            return "It is being deleted, so nothing makes it run again.".to_owned();
        }
        let tick = next.schedule.as_ref().and_then(|kept| kept.next).zip(self.want.schedule.as_ref());
        let tick = tick.map(|(time, wanted)| {
            format!("{} by its schedule ({} {}, at {time})", ahead(time, now), wanted.cron, wanted.time_zone)
        });
        let ask = format!("when you ask for it: kubectl ecrefresh run {}", named(&self.key()));
        let ways: Vec<String> = tick.into_iter().chain(self.watched()).chain([ask]).collect();
        format!("It runs {}", ways.join(", or "))
    }

    /// When a change at the source makes it run; not while one is held, or while nobody can see one.
    fn watched(&self) -> Option<String> {
        let watch = self.want.watch.as_ref()?;
        let helpless = self.source_news().is_some_and(|news| match news.reason {
            FreshReason::Held | FreshReason::NotAllowed | FreshReason::ListingTooLarge | FreshReason::CheckFailed => {
                true
            }
            FreshReason::PinnedSnapshotExpired
            | FreshReason::ChangePending
            | FreshReason::Settling
            | FreshReason::InPlaceRewrite
            | FreshReason::UpToDate => false,
        });
        let looks = format!("when its source has changed (the operator looks every {} s)", watch.spec.interval_seconds);
        (!helpless).then_some(looks)
    }
}

/// `text` as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    format!("{}{}.", first.into_iter().collect::<String>(), letters.as_str())
}
