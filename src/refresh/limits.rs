//! The times and counts that the start protocol rests on, each with its reason.

use std::time::Duration;

/// The most time that one start may take, from the beginning of the claim's write to Milvus' answer. It travels to Milvus
/// as the call's own deadline, so that Milvus drops a start that comes to its turn later. Milvus holds a start while
/// another change of the collection (an index build, a load) has its lock, so less would make ordinary contention
/// look like a lost reply.
pub const SUBMIT_BUDGET: Duration = Duration::from_secs(30);

/// How long after the last possible end of a start its job may still appear: Milvus counts the deadline from its own
/// receipt of the call and takes a moment to persist the job.
pub const LANDING_MARGIN: Duration = Duration::from_secs(30);

/// From the moment this process first saw a claim, on its monotonic clock: until then a start of that claim may still
/// land, afterwards what a listing shows is all there will be.
pub const GRACE: Duration = Duration::from_secs(SUBMIT_BUDGET.as_secs() + LANDING_MARGIN.as_secs());

/// The oldest claim for which a listing proves absence: half of the 24 h after which Milvus forgets ended jobs.
pub const ABSENCE_WINDOW: Duration = Duration::from_hours(12);

/// From a claim on: after this long nothing of it can be running. Milvus gives a job up after 60 minutes, and its last steps may
/// take some more.
pub const LONGEST_JOB: Duration = Duration::from_mins(75);

/// How long a run that waits for its checks keeps its collection from refreshes of other namespaces.
pub const LONGEST_CHECK: Duration = Duration::from_mins(15);

/// After a process took over: until then a claim that its predecessor sent may still land. The predecessor's last moment of
/// leading, the deadline of its call (10 s), the API server's own `--request-timeout` (60 s) and travel take 70 s and some; a
/// longer request timeout needs as much more.
pub const LATE_CLAIM: Duration = Duration::from_secs(120);

/// How many claims of one run may be given up because no job of theirs could be found.
pub const MAX_UNPROVEN_SUBMITS: i64 = 2;

/// How many ids of ended jobs a run keeps.
pub const ENDED_JOBS_KEPT: usize = 32;

/// How many handled tokens an object keeps.
pub const TRIGGERS_KEPT: usize = 20;

/// How many ended runs an object keeps.
pub const HISTORY_KEPT: usize = 10;

/// The longest message of an ended run, in bytes: ten of them stay small beside the rest of an object.
pub const PAST_MESSAGE_BYTES: usize = 128;

/// The pause before the first retry of a failed run; each further one is twice as long (Job's).
pub const FIRST_RETRY: Duration = Duration::from_secs(10);

/// The longest pause before a retry (Job's).
pub const LONGEST_RETRY: Duration = Duration::from_mins(6);

/// How long a process waits for a first word of a job before it judges the job by its deadline: after a restart the job
/// may have ended long ago.
pub const FIRST_WORD: Duration = Duration::from_secs(120);

/// The furthest that a recorded time may lie ahead: the clocks of two replicas differ a little. One that lies further ahead
/// counts from now on, or what waits for it would wait as long as the clock that wrote it was wrong.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The longest wait that is slept in one piece; timers hold no years.
pub const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// The longest a run that is not over sleeps. Changes wake it at once; this only bounds what a lost wake-up could cost.
pub const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How often a run looks for a job whose start has an unknown outcome, and for the end of somebody else's job; the first rest
/// after a look that failed.
pub const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How often a run looks for the Secret with its spec, which is not watched: it is read when a run starts and never else.
pub const LOOK_FOR_SECRET: Duration = Duration::from_secs(15);

/// How soon a process that may not start anything looks whether it may again.
pub const HOLD: Duration = Duration::from_secs(1);

/// The longest reason or message, in bytes.
pub const MESSAGE_BYTES: usize = 1024;

/// `text`, cut to [`MESSAGE_BYTES`] at a character boundary.
pub fn bounded(text: &str) -> String {
    cut(text, MESSAGE_BYTES).to_owned()
}

/// As much of `text` as fits into `bytes`.
pub fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

/// As much of `text` for a message: quoted, since it may be anything, and not at length.
pub fn quoted(text: &str, bytes: usize) -> String {
    format!("{:?}", cut(text, bytes))
}
