//! Answers of the wire as domain types.

use jiff::Timestamp;

use super::{Collection, ErrorKind, Job, JobId, JobState, MilvusError, Result, scrub::Scrubber, wire::milvus};

pub(super) fn malformed(problem: impl Into<String>) -> MilvusError {
    MilvusError::new(ErrorKind::Malformed, problem)
}

/// A job; its reason is scrubbed.
pub(super) fn job(info: milvus::RefreshExternalCollectionJobInfo, scrubber: &Scrubber) -> Job {
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
        collection: info.collection_name,
        state,
        progress: u8::try_from(info.progress.clamp(0, 100)).unwrap_or_default(),
        reason: scrubber.message(&info.reason),
        source: info.external_source,
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
    let info = info.ok_or_else(|| malformed(format!("Milvus answered for job {asked} without any job.")))?;
    if info.job_id == asked.0 {
        Ok(job(info, scrubber))
    } else {
        Err(malformed(format!("Milvus was asked for job {asked} and answered with job {}.", info.job_id)))
    }
}

pub(super) fn collection(asked: &str, answer: milvus::DescribeCollectionResponse) -> Result<Collection> {
    let schema = answer.schema.ok_or_else(|| malformed(format!("Milvus described {asked:?} without a schema.")))?;
    if answer.collection_id <= 0 {
        return Err(malformed(format!("Milvus described {asked:?} without an id.")));
    }
    let name = [answer.collection_name, schema.name].into_iter().find(|name| !name.is_empty());
    Ok(Collection {
        id: answer.collection_id,
        name: name.unwrap_or_else(|| asked.to_owned()),
        external: schema.fields.iter().any(|field| !field.external_field.is_empty()),
        source: schema.external_source,
    })
}

/// Milliseconds since 1970; 0 means unset, and so does what no calendar can hold.
fn time(milliseconds: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds).ok().filter(|_| milliseconds > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::super::wire::schema;
    use super::*;

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
        let described = |source: &str, external_field: &str| {
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
        assert!(collection("alias", described("", "id")).unwrap().external);
        assert!(!collection("alias", described("s3://b/k", "")).unwrap().external);
        assert_eq!(collection("alias", described("", "id")).unwrap().name, "products");
    }

    #[test]
    fn a_description_without_schema_or_id_is_malformed() {
        let no_schema = milvus::DescribeCollectionResponse { collection_id: 5, ..Default::default() };
        let no_id = milvus::DescribeCollectionResponse { schema: Some(Default::default()), ..Default::default() };
        for answer in [no_schema, no_id] {
            assert_eq!(collection("x", answer).unwrap_err().kind, ErrorKind::Malformed);
        }
    }
}
