//! The core: what to record and what to do next, as a pure function of what is wanted, recorded and seen.
//!
//! Nothing here knows a client, a clock or randomness. [`decide`] is total: waiting and being done are values, never
//! errors, and "could not observe" arrives as an observation.
//!
//! A run goes through these phases; what is durable decides which one it is in after a crash:
//!
//! ```text
//!   due -- Find, claim written --> claimed -- Submit, job id written --> tracked -- Poll --> ended
//!    ^                                |  ^                                  |
//!    |      proven refusal,           |  |       accepted, but never        |
//!    +------ proven absence ----------+  +----------- created --------------+
//! ```

mod cause;
mod decide;
mod desired;
mod failure;
mod grid;
mod keeper;
pub mod limits;
mod observation;
mod phase;
mod record;
mod schedule;
pub mod source;
mod verify;
mod watch;

pub use cause::Cause;
pub use decide::{Decision, Effect, Notice, Wake, decide, due_in_words};
pub use desired::{ANNOTATIONS_READ, Desired, OwnSource, SpecPlace};
pub use failure::{FailureClass, is_trouble, page as failures_page, section_of as failure_section, trouble};
pub use keeper::{Keeper, LABELS_READ};
pub use observation::{Ahead, Connection, Fact, Look, Observation, OwnSourceCheck, Permission, Slot, Submission, Turn};
pub use phase::{
    due::{alarm, is_due, rests},
    proof::ClaimKey,
};
pub use record::project::{differs_only_in_progress, project};
pub use record::{
    Baseline, Handled, JobRecord, PastRun, Reason, Recorded, RefusedStart, Run, Success, Summary, elapsed,
};
pub use schedule::{Clockwork, SCHEDULE_MISSED, Schedule, ScheduleRecord};
pub use verify::{Check, Outcome, Verification, Verify, VerifyReason};
pub use watch::{Fresh, FreshReason, LastLook, Rewritten, Scouted, Seen, Version, Watch, WatchRecord};

#[cfg(test)]
mod tests;
