//! Answers of the wire as domain types.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    answers::{Description, ListedJob, Listing, Unreadable},
    wire::milvus,
};
use crate::milvus::{
    Collection, ErrorKind, Job, JobId, JobState, MAX_NAME, MAX_SOURCE, MilvusError, Result,
    scrub::{Scrubber, without_login},
};

/// So many entries of an answer that take no time are passed over at a time.
pub(super) const AT_A_TIME: usize = 1024;

pub(super) fn malformed(problem: impl Into<String>) -> MilvusError {
    MilvusError::new(ErrorKind::Malformed, problem)
}

pub(super) fn unreadable(error: &Unreadable) -> MilvusError {
    malformed(format!("Milvus sent a response that cannot be read: {error}."))
}

/// The wanted jobs of a list that has at most so many. Of two with one id the last counts, as in protobuf.
///
/// A list can be long enough to keep the process' only thread for seconds, on which the lease has to be renewed as well. So the
/// thread is given away after each job that is converted, which takes the scrubber at most some milliseconds, and regularly
/// between the others. A second thread for such work would only take turns with the first, as a pod has one processor at most.
pub(super) async fn jobs(
    listing: &Listing,
    most: usize,
    wanted: &(dyn Fn(JobId) -> bool + Sync),
    scrubber: &Scrubber,
) -> Result<Vec<Job>> {
    let mut found = BTreeMap::new();
    for (count, listed) in listing.jobs().enumerate() {
        if count >= most {
            return Err(malformed(format!("Milvus lists more than {most} jobs of one collection.")));
        }
        let converted = listed.and_then(|listed| wanted_job(listed, wanted, scrubber));
        if let Some(job) = converted.map_err(|error| unreadable(&error))? {
            found.insert(job.id, job);
            tokio::task::yield_now().await;
        } else if count % AT_A_TIME == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(found.into_values().collect())
}

fn wanted_job(
    listed: ListedJob,
    wanted: &(dyn Fn(JobId) -> bool + Sync),
    scrubber: &Scrubber,
) -> std::result::Result<Option<Job>, Unreadable> {
    if wanted(JobId(listed.id()?)) { Ok(Some(job(listed.unpack()?, scrubber))) } else { Ok(None) }
}

/// A job; its words are scrubbed.
fn job(info: milvus::RefreshExternalCollectionJobInfo, scrubber: &Scrubber) -> Job {
    use milvus::RefreshExternalCollectionState as Wire;
    let state = match Wire::try_from(info.state) {
        Ok(Wire::RefreshPending) => JobState::Pending,
        Ok(Wire::RefreshInProgress) => JobState::InProgress,
        Ok(Wire::RefreshCompleted) => JobState::Completed,
        Ok(Wire::RefreshFailed) => JobState::Failed,
        Err(_) => JobState::Unknown(info.state),
    };
    Job {
        id: JobId(info.job_id),
        collection: name(&info.collection_name, scrubber),
        state,
        progress: u8::try_from(info.progress.clamp(0, 100)).unwrap_or_default(),
        reason: scrubber.message(&info.reason),
        source: source(&info.external_source),
        start_time: time(info.start_time),
        end_time: time(info.end_time),
    }
}

/// The job that was asked for. An answer without a job decodes as job 0, pending: it must not be believed.
pub(super) fn asked_job(
    asked: JobId,
    info: Option<milvus::RefreshExternalCollectionJobInfo>,
    scrubber: &Scrubber,
) -> Result<Job> {
    let info = info.ok_or_else(|| malformed(format!("Milvus' response about job {asked} contains no job.")))?;
    if info.job_id == asked.0 {
        Ok(job(info, scrubber))
    } else {
        Err(malformed(format!("Milvus was asked for job {asked} and answered with job {}.", info.job_id)))
    }
}

pub(super) fn collection(asked: &str, answer: Description, scrubber: &Scrubber) -> Result<Collection> {
    let schema = answer.schema.ok_or_else(|| malformed(format!("Milvus described {asked:?} without a schema.")))?;
    if answer.collection_id <= 0 {
        return Err(malformed(format!("Milvus described {asked:?} without an id.")));
    }
    let own_name = [answer.collection_name, schema.name].into_iter().find(|name| !name.is_empty());
    let own_name = own_name.unwrap_or_else(|| asked.to_owned());
    let too_long = |what: &str, bytes: usize, most: usize| {
        malformed(format!(
            "Milvus reports a {what} of {bytes} bytes for collection {asked:?}; a refresh allows at most {most}. Recreate the \
             collection with a shorter one."
        ))
    };
    if own_name.len() > MAX_NAME {
        return Err(too_long("name", own_name.len(), MAX_NAME));
    }
    if schema.external_source.len() > MAX_SOURCE {
        return Err(too_long("source", schema.external_source.len(), MAX_SOURCE));
    }
    Ok(Collection {
        id: answer.collection_id,
        name: name(&own_name, scrubber),
        external: schema.external,
        source: source(&schema.external_source),
        format: schema.format,
    })
}

/// A name to show.
pub(super) fn name(name: &str, scrubber: &Scrubber) -> String {
    if name.len() > MAX_NAME { format!("(a name of {} bytes)", name.len()) } else { scrubber.message(name) }
}

/// A source, which is compared as well as shown. So nothing is removed from it that another process could leave in it, such as
/// a text that is known to be secret here and now; and one that is too long is not cut, since its beginning is another source.
fn source(source: &str) -> String {
    if source.len() > MAX_SOURCE { format!("(a source of {} bytes)", source.len()) } else { without_login(source) }
}

/// Milliseconds since 1970; 0 means unset, and so does what no calendar can hold.
fn time(milliseconds: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds).ok().filter(|_| milliseconds > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use prost::Message;

    use super::*;
    use crate::milvus::grpc::{answers::Answer, wire::schema};

    fn described(answer: &milvus::DescribeCollectionResponse) -> Result<Collection> {
        let answer = Description::read(answer.encode_to_vec().into()).unwrap();
        collection("alias", answer, &Scrubber::default())
    }

    fn listing(jobs: Vec<milvus::RefreshExternalCollectionJobInfo>) -> Listing {
        let answer = milvus::ListRefreshExternalCollectionJobsResponse { status: None, jobs };
        Listing::read(answer.encode_to_vec().into()).unwrap()
    }

    fn info() -> milvus::RefreshExternalCollectionJobInfo {
        milvus::RefreshExternalCollectionJobInfo {
            job_id: 461_234_567_890_123_456,
            collection_name: "products".to_owned(),
            state: 1,
            progress: 40,
            start_time: 1_790_000_000_123,
            ..Default::default()
        }
    }

    #[test]
    fn a_job_keeps_its_large_id_and_its_milliseconds() {
        let job = job(info(), &Scrubber::default());
        assert_eq!(job.id, JobId(461_234_567_890_123_456));
        assert_eq!(job.start_time.unwrap().as_millisecond(), 1_790_000_000_123);
        assert_eq!(job.end_time, None);
        assert_eq!(job.state, JobState::InProgress);
    }

    #[test]
    fn numbers_out_of_range_are_tamed() {
        let wild = milvus::RefreshExternalCollectionJobInfo {
            state: 9,
            progress: i64::MAX,
            start_time: i64::MIN,
            end_time: i64::MAX,
            ..info()
        };
        let job = job(wild, &Scrubber::default());
        assert_eq!((job.state, job.progress), (JobState::Unknown(9), 100));
        assert_eq!((job.start_time, job.end_time), (None, None));
        assert!(!job.state.is_terminal());
    }

    #[test]
    fn a_progress_below_zero_is_zero() {
        let job = job(milvus::RefreshExternalCollectionJobInfo { progress: -5, ..info() }, &Scrubber::default());
        assert_eq!(job.progress, 0);
    }

    #[test]
    fn another_job_or_none_is_malformed() {
        let asked = JobId(7);
        for answer in [None, Some(info()), Some(Default::default())] {
            let error = asked_job(asked, answer, &Scrubber::default()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Malformed, "{error}");
        }
        assert!(asked_job(JobId(info().job_id), Some(info()), &Scrubber::default()).is_ok());
    }

    #[test]
    fn a_collection_is_external_by_its_fields_not_by_its_source() {
        let answer = |source: &str, external_field: &str| {
            let field = schema::FieldSchema {
                name: "pk".to_owned(),
                external_field: external_field.to_owned(),
                ..Default::default()
            };
            let schema = schema::CollectionSchema {
                name: "products".to_owned(),
                fields: vec![field],
                external_source: source.to_owned(),
                ..Default::default()
            };
            milvus::DescribeCollectionResponse { schema: Some(schema), collection_id: 5, ..Default::default() }
        };
        assert!(described(&answer("", "id")).unwrap().external);
        assert!(!described(&answer("s3://b/k", "")).unwrap().external);
        assert_eq!(described(&answer("", "id")).unwrap().name, "products");
    }

    #[test]
    fn of_a_spec_only_its_format_is_told() {
        let long = format!(r#"{{"format":"{}"}}"#, "x".repeat(65));
        let huge = format!(r#"{{"format":"parquet","columns":"{}"}}"#, "x".repeat(65_536));
        for (spec, format) in [
            (r#"{"extfs":{"access_key_value":"***"},"format":"lance-table"}"#, "lance-table"),
            (r#"{"extfs":{"format":"x"}}"#, ""),
            (r#"{"format":7}"#, ""),
            ("", ""),
            ("{", ""),
            (&long, ""),
            (&huge, ""),
        ] {
            let schema = schema::CollectionSchema { external_spec: spec.to_owned(), ..Default::default() };
            let answer =
                milvus::DescribeCollectionResponse { schema: Some(schema), collection_id: 5, ..Default::default() };
            assert_eq!(described(&answer).unwrap().format, format, "{spec}");
        }
    }

    #[test]
    fn a_description_without_schema_or_id_is_malformed() {
        let no_schema = milvus::DescribeCollectionResponse { collection_id: 5, ..Default::default() };
        let no_id = milvus::DescribeCollectionResponse { schema: Some(Default::default()), ..Default::default() };
        for answer in [no_schema, no_id] {
            assert_eq!(described(&answer).unwrap_err().kind, ErrorKind::Malformed);
        }
    }

    #[test]
    fn a_source_is_told_without_a_login_and_else_as_it_is() {
        for (told, expected) in [
            ("s3://AKIA:hunter2@bucket/a@b", "s3://***@bucket/a@b"),
            ("s3://bucket/external_id=7/a@b", "s3://bucket/external_id=7/a@b"),
            ("", ""),
        ] {
            assert_eq!(source(told), expected);
        }
    }

    #[tokio::test]
    async fn everything_else_goes_on_while_a_long_list_is_read() {
        let reason = "words ".repeat(4000);
        let long = milvus::RefreshExternalCollectionJobInfo { reason, ..info() };
        let many = (1..=20).map(|job_id| milvus::RefreshExternalCollectionJobInfo { job_id, ..long.clone() });
        let unwanted = (0..20_000).map(|_| milvus::RefreshExternalCollectionJobInfo::default());
        let listing = listing(unwanted.chain(many).collect());
        let (done, turns) = (AtomicBool::new(false), AtomicUsize::new(0));
        let others = async {
            while !done.load(Ordering::Relaxed) {
                turns.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        };
        let scrubber = Scrubber::default();
        let read = async {
            let jobs = jobs(&listing, usize::MAX, &|job| job.0 > 0, &scrubber).await.unwrap();
            done.store(true, Ordering::Relaxed);
            jobs.len()
        };
        let (read, ()) = tokio::join!(read, others);
        assert_eq!(read, 20);
        assert!(turns.into_inner() >= 20 + 20_000 / AT_A_TIME);
    }

    #[tokio::test]
    async fn of_a_list_only_the_wanted_jobs_are_converted_and_each_once() {
        let of = |job_id, progress| milvus::RefreshExternalCollectionJobInfo { job_id, progress, ..info() };
        let listing = listing(vec![of(1, 10), of(2, 20), of(2, 30), of(3, 40)]);
        let jobs = jobs(&listing, 4, &|job| job.0 > 1, &Scrubber::default()).await.unwrap();
        let told: Vec<_> = jobs.iter().map(|job| (job.id.0, job.progress)).collect();
        assert_eq!(told, [(2, 30), (3, 40)]);
    }
}
