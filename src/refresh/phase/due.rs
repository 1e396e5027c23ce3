//! What makes a run due, and what a run captures when it starts. Decisions are by level: what stands in the object when
//! a run could start counts, not what came and went before.

use jiff::Timestamp;

use super::waiting::HELD;
use crate::{
    milvus::JobState,
    refresh::{
        Baseline, Cause, Desired, Handled, JobRecord, Reason, Recorded, Run, Summary, decide::Step,
        limits::TRIGGERS_KEPT, record::PastRun, schedule, verify, watch,
    },
};

/// Whether a run of `want` is due that no claim stands for: what a process that takes over has to announce. Of an object that
/// is suspended or being deleted none is: a claim that is still on its way was decided on before that, and meets a conflict.
/// Neither is one that only the clock asks for: before it is claimed, it is opened.
pub fn is_due(want: &Desired, record: &Recorded) -> bool {
    match (&record.run, record.last()) {
        _ if want.holds_starts() => false,
        (_, Some(last)) => want.asks_for_more_than(&last, &record.handled),
        (None, None) => want.run_on_creation,
        (Some(run), None) => run.submit_time.is_none() && record.job.id.is_none(),
    }
}

/// Whether the last run is over and nothing is due at `now` or will be before the object is edited, but for what the clock
/// asks for: a pass over it would change nothing, whatever it sees.
pub fn rests(want: &Desired, record: &Recorded, now: Timestamp) -> bool {
    let Some(run) = record.last() else { return false };
    let asks = want.asks_for_more_than(&run, &record.handled);
    let says_so = record.run.is_some() || record.summary.as_ref() == Some(&idle(record));
    let kept = want.new_request(&record.handled).is_none_or(|new| Some(new) == record.handled.pending.as_ref());
    let told = asks || want.trigger.is_none() || want.trigger == record.handled.last_trigger;
    let known = record.observed_generation == Some(want.generation) && record.suspended == want.holds(record);
    let keeps_time = schedule::rests(want.schedule.as_ref(), record.schedule.as_ref(), want.holds_starts(), now);
    let keeps_time = keeps_time && record.invalid_schedule.is_none();
    let checked = verify::rests(want, record) && watch::rests(want, record);
    (want.holds_starts() || !asks) && checked && says_so && told && kept && known && keeps_time && want.ttl.is_none()
}

/// When an object at rest has something to do: the clock makes a run due, or it is checked again.
pub fn alarm(want: &Desired, record: &Recorded, now: Timestamp) -> Option<Timestamp> {
    let scheduled = record.schedule.as_ref().and_then(|kept| kept.next).filter(|_| record.is_at_rest());
    let looks = [verify::next_recheck(want, record, now), watch::next_look(want, record, now)];
    scheduled.into_iter().chain(looks.into_iter().flatten()).min()
}

impl Desired {
    /// Whether this asks for something that `run`, which captured what it did, and the runs before it have not answered:
    /// another source, a token that was never captured for it, or a new request by annotation.
    pub fn asks_for_more_than(&self, run: &Run, handled: &Handled) -> bool {
        self.asks(run, handled).next().is_some()
    }

    /// The request that stands in the annotation, if no run has captured it.
    fn new_request(&self, handled: &Handled) -> Option<&String> {
        self.requested_at.as_ref().filter(|request| Some(*request) != handled.request.as_ref())
    }

    /// The request that no run has captured: that of the annotation, or one that was seen and is gone.
    fn requests<'a>(&'a self, handled: &'a Handled) -> Option<&'a String> {
        self.new_request(handled).or(handled.pending.as_ref())
    }

    /// Why it asks for more than that, the first cause first.
    fn asks(&self, run: &Run, handled: &Handled) -> impl Iterator<Item = Cause> + use<> {
        let new_trigger = self.trigger.as_ref().is_some_and(|trigger| {
            run.trigger.as_ref() != Some(trigger) && !handled.triggers.iter().any(|handled| handled == trigger)
        });
        let new_request = self.requests(handled).is_some();
        let asks = [
            (new_trigger, Cause::Trigger),
            (new_request, Cause::Request),
            (self.differs_from(&run.fingerprint), Cause::SourceEdited),
        ];
        asks.into_iter().filter_map(|(asks, cause)| asks.then_some(cause))
    }

    /// What `Suspended` says while starts are held: how to go on, and what starts then if the last run is over.
    pub(in crate::refresh) fn holds(&self, record: &Recorded) -> Option<String> {
        let due = record.last().into_iter().flat_map(|run| self.asks(&run, &record.handled));
        let due: Vec<_> = due.map(Cause::asked_by).collect();
        self.suspend.then(|| match due.as_slice() {
            [] => HELD.to_owned(),
            due => format!("{HELD} A run is due for {}.", due.join(" and ")),
        })
    }
}

/// What is said of an object that waits for its first run.
fn idle(record: &Recorded) -> Summary {
    let message = match record.schedule.as_ref().and_then(|kept| kept.next) {
        Some(next) => format!(
            "Waiting for its first run, which spec.schedule starts at {next}. To run earlier, set spec.trigger."
        ),
        None => "Waiting for its first run. To start it, set spec.trigger.".to_owned(),
    };
    Summary { reason: Reason::Idle, message }
}

impl Handled {
    /// Makes `trigger` the last of the tokens: it is the one that the spec has.
    pub(in crate::refresh) fn put_last(&mut self, trigger: &str) {
        self.triggers.sort_by_key(|handled| handled == trigger);
    }
}

impl Step<'_> {
    /// Keeps a request that is seen: it is answered even if the annotation is gone by then. Tools that apply an object from Git
    /// take what they do not find there off it.
    pub(in crate::refresh) fn keep_request(&mut self) {
        if let Some(request) = self.want.new_request(&self.next.handled) {
            self.next.handled.pending = Some(request.clone());
        }
    }

    /// Opens the run after `last`. Its first write also resets what the last one left; what that one captured stands until
    /// this one is claimed.
    pub(in crate::refresh) fn open_run(&mut self, last: Option<Run>) {
        self.next.observed_generation = Some(self.want.generation);
        self.next.job = JobRecord::default();
        self.next.failure = None;
        self.next.summary = None;
        let created = last.is_none().then_some(Cause::Creation);
        let captured = last.unwrap_or_default();
        self.run = Run {
            number: captured.number.saturating_add(1),
            generation: self.want.generation,
            cause: self.want.asks(&captured, &self.next.handled).next().or(created),
            trigger: captured.trigger,
            requested_at: captured.requested_at,
            fingerprint: captured.fingerprint,
            queued_time: Some(self.now),
            ..Run::default()
        };
    }

    /// Takes into the run what is asked for now. From here on it is this that the run answers, whatever the object says later.
    pub(in crate::refresh) fn capture(&mut self) {
        let asked = self.want.asks(&self.run, &self.next.handled).next();
        // A new object has refreshed nothing yet, which is no change.
        let changed = (self.run.cause != Some(Cause::Creation) && self.is_pending()).then_some(Cause::SourceChanged);
        let ticked = self.take_tick().map(|_| Cause::Schedule);
        self.run.cause = [self.run.cause, asked, changed, ticked].into_iter().flatten().min();
        self.run.seen = self.last_seen();
        self.next.baseline = None;
        let request = self.want.requests(&self.next.handled).or(self.want.requested_at.as_ref()).cloned();
        let handled = &mut self.next.handled;
        if self.want.differs_from(&self.run.fingerprint) {
            handled.triggers.clear();
        }
        if let Some(trigger) = &self.want.trigger {
            if !handled.triggers.contains(trigger) {
                handled.triggers.push(trigger.clone());
            }
            handled.put_last(trigger);
            let excess = handled.triggers.len().saturating_sub(TRIGGERS_KEPT);
            handled.triggers.drain(..excess);
        }
        if request.is_some() {
            handled.request.clone_from(&request);
        }
        handled.pending = None;
        self.run.requested_at = request;
        self.run.generation = self.want.generation;
        self.run.trigger.clone_from(&self.want.trigger);
        self.run.fingerprint.clone_from(&self.want.fingerprint);
        self.next.observed_generation = Some(self.want.generation);
    }

    /// What an object that is to wait for its first run stood at when it was first seen, as if that were the run before: from
    /// now on, if it is seen for the first time. `None` where a new object runs.
    pub(in crate::refresh) fn baseline(&mut self) -> Option<Run> {
        if self.next.baseline.is_none() && !self.want.run_on_creation {
            let Desired { generation, fingerprint, .. } = self.want;
            self.next.baseline = Some(Baseline { fingerprint: fingerprint.clone(), generation: *generation });
            let handled = &mut self.next.handled;
            handled.triggers.extend(self.want.trigger.clone());
            handled.pending = None;
            handled.request.clone_from(&self.want.requested_at);
            handled.completed_request.clone_from(&self.want.requested_at);
        }
        self.next.baseline.as_ref().map(Baseline::run)
    }

    /// Nothing has asked for the first run yet.
    pub(in crate::refresh) fn idle(&mut self) {
        self.next.summary = Some(idle(&self.next));
        self.next.job = JobRecord::default();
        self.next.failure = None;
        self.next.queue_position = None;
    }

    /// An edit that asks for no run is seen as soon as it is made. One that does is seen together with its run: a tool that
    /// finds the new generation observed takes the conditions for those of the new run.
    pub(in crate::refresh) fn observe_what_needs_no_run(&mut self) {
        if self.want.asks_for_more_than(&self.run, &self.next.handled) {
            return;
        }
        self.next.observed_generation = Some(self.want.generation);
        // The token that the run itself answers is due until it ends.
        if self.want.trigger.is_some() && self.want.trigger != self.run.trigger {
            self.next.handled.last_trigger.clone_from(&self.want.trigger);
        }
    }

    /// Takes back a run that nothing was done for and that may not start any more: what asked for it was reverted, or starts are
    /// held. Says whether it did: then the last run's result stands again.
    pub(in crate::refresh) fn withdraw(&mut self) -> bool {
        let asked = self.want.asks_for_more_than(&self.run, &self.next.handled) || self.stands_unasked();
        if !self.want.suspend && asked || self.run.was_tried() {
            return false;
        }
        if let Some(baseline) = self.next.baseline.as_ref().map(Baseline::run).filter(|_| self.run.number == 1) {
            self.next.run = None;
            self.run = baseline;
            return true;
        }
        let before = |past: &&PastRun| past.number.checked_add(1) == Some(self.run.number);
        let Some(past) = self.next.history.first().filter(before).cloned() else { return false };
        let (state, reason) = match past.failure {
            None => (JobState::Completed, Reason::RefreshCompleted),
            Some(class) => (JobState::Failed, Reason::Failed(class)),
        };
        let last = Run {
            number: past.number,
            generation: self.run.generation,
            cause: past.cause,
            trigger: self.run.trigger.clone(),
            requested_at: self.run.requested_at.clone(),
            fingerprint: self.run.fingerprint.clone(),
            ..Run::default()
        };
        self.next.job = result_of(&past, state);
        self.next.failure = past.failure;
        self.next.summary = Some(Summary { reason, message: past.message });
        self.next.queue_position = None;
        self.next.run = Some(last.clone());
        self.run = last;
        true
    }
}

/// What the history keeps of a job.
fn result_of(past: &PastRun, state: JobState) -> JobRecord {
    JobRecord {
        state: Some(state),
        progress: if state == JobState::Completed && past.job.is_some() { 100 } else { 0 },
        reason: if state == JobState::Failed { past.message.clone() } else { String::new() },
        id: past.job,
        start_time: past.start_time,
        completion_time: past.completion_time,
        ..JobRecord::default()
    }
}
