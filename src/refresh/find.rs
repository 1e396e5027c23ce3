//! Which listed jobs can be the outcome of our own start.

use super::{Look, PastRun, Run};
use crate::milvus::Job;

/// The jobs that can have come from a start of `run`, lowest id first: begun after the run's first claim listed the
/// collection, of the claimed source, and nobody's so far, not one of the `past` runs' either. A foreign job that matches
/// began after that listing, too, so its files are fresh enough to stand for ours. None without a watermark, which alone tells them from older jobs.
pub(super) fn candidates<'a>(run: &Run, past: &[PastRun], look: &'a Look) -> Vec<&'a Job> {
    let ended = |job: &Job| past.iter().any(|run| run.job == Some(job.id));
    let mut found: Vec<&Job> = look.jobs.iter().filter(|job| is_candidate(run, look, job) && !ended(job)).collect();
    found.sort_by_key(|job| job.id);
    found
}

fn is_candidate(run: &Run, look: &Look, job: &Job) -> bool {
    let Some(id_watermark) = run.job_id_watermark else { return false };
    // Ids come from one allocator but are not proven to rise over a restore of Milvus, so a newer start counts as well.
    let newer_id = job.id > id_watermark;
    let newer_start = match (job.start_time, run.start_time_watermark) {
        (Some(start), Some(watermark)) => start > watermark,
        (Some(_), None) => id_watermark.0 == 0,
        (None, _) => false,
    };
    // A source that was not known when the run was claimed (not set yet, or no right to describe) cannot be compared.
    (newer_id || newer_start)
        && (run.source.is_empty() || job.source == run.source)
        && !look.taken.contains(&job.id)
        && !run.ended_job_ids.contains(&job.id)
}

/// The job of the collection that is active in Milvus, if any; Milvus allows one at a time.
pub(super) fn active(look: &Look) -> Option<&Job> {
    look.jobs.iter().find(|job| !job.state.is_terminal())
}
