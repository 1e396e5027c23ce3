//! What a failed call means. Milvus has two error channels: the gRPC status, looked at first, and the `Status` message
//! inside an answer that gRPC calls OK.
//!
//! A class that [is a refusal](ErrorKind::is_refusal) lets the operator start again, so it is only given where no accepted
//! start can hide behind it: by codes, and by text where a build is known to answer without a fitting code. It does so at
//! once only for the codes of what Milvus' proxy checks before it calls anything itself.

use std::error::Error;

use tonic::{Code, Status, TimeoutExpired};

use super::{answers::Verdict, wire::common};
use crate::milvus::{ErrorKind, JobId, MilvusError};

/// The class of a call that gRPC failed.
pub(super) fn of_grpc(status: &Status) -> ErrorKind {
    // Whatever code the library gave to an error of the transport: Milvus did not say it.
    if status.source().is_some() {
        return if chain(status).any(|cause| cause.is::<TimeoutExpired>()) {
            ErrorKind::Timeout
        } else {
            ErrorKind::Unreachable
        };
    }
    if !is_from_grpc_server(status) {
        return match status.code() {
            Code::Unavailable => ErrorKind::Unreachable,
            _ => ErrorKind::Malformed,
        };
    }
    match status.code() {
        Code::Unauthenticated => ErrorKind::Unauthenticated,
        Code::PermissionDenied => ErrorKind::PermissionDenied,
        Code::Unimplemented => ErrorKind::Unsupported,
        Code::Unavailable => ErrorKind::Unreachable,
        Code::DeadlineExceeded | Code::Cancelled => ErrorKind::Timeout,
        Code::ResourceExhausted => ErrorKind::Busy,
        Code::Unknown => of_unnamed(&own_words(status.message())),
        // Made by the client library for an answer that it could not decode.
        Code::OutOfRange => ErrorKind::Malformed,
        Code::Internal if is_decoding_error(status.message()) => ErrorKind::Malformed,
        _ => ErrorKind::Internal,
    }
}

/// What Milvus' interceptors answer, which have no code of their own.
fn of_unnamed(words: &str) -> ErrorKind {
    if words.contains("milvus proxy is not ready") {
        ErrorKind::Starting
    } else if words.contains("not ready") {
        ErrorKind::Busy
    } else {
        ErrorKind::Internal
    }
}

/// The class of an answer whose `Status` is not a success; `None` for a success. `asked` is the job that the call was about.
pub(super) fn of_status(status: &Verdict, asked: Option<JobId>) -> Option<ErrorKind> {
    let text = status.reason.to_ascii_lowercase();
    let kind = match status.code {
        0 => return of_legacy_code(status.error_code, &text, asked),
        1..=4 | 7..=9 | 11 | 12 => ErrorKind::Busy,
        10 => ErrorKind::Unsupported,
        100 | 1600 => ErrorKind::CollectionNotFound,
        101 | 103 | 106 => ErrorKind::NotLoaded,
        105 | 3000 => ErrorKind::InvalidRequest,
        703 => ErrorKind::DuplicateJob,
        800 | 802 => ErrorKind::DatabaseNotFound,
        1100..=1102 => of_bad_input(&text, asked),
        1400 => ErrorKind::Unauthenticated,
        1401 => ErrorKind::PermissionDenied,
        10_000 | 10_001 => ErrorKind::Timeout,
        65_535 => of_plain_error(&text, asked),
        _ => ErrorKind::Internal,
    };
    Some(kind)
}

/// Whether an answer with this code was made before Milvus' proxy called anything that creates jobs. Other codes can come
/// from behind it, and then maybe from its second call for one start, while the first is not decided.
pub(super) fn is_said_by_the_proxy(code: i32) -> bool {
    matches!(code, 100 | 800 | 802 | 1100..=1102)
}

/// Very old servers and milvus-lite set only the older code.
fn of_legacy_code(code: i32, text: &str, asked: Option<JobId>) -> Option<ErrorKind> {
    let kind = match common::ErrorCode::try_from(code) {
        Ok(common::ErrorCode::Success) => return None,
        Ok(common::ErrorCode::PermissionDenied) => ErrorKind::PermissionDenied,
        Ok(common::ErrorCode::CollectionNotExists) => ErrorKind::CollectionNotFound,
        Ok(common::ErrorCode::IllegalArgument) => of_bad_input(text, asked),
        Ok(common::ErrorCode::ForceDeny | common::ErrorCode::RateLimit | common::ErrorCode::NotReadyServe) => {
            ErrorKind::Busy
        }
        Ok(common::ErrorCode::UnexpectedError | common::ErrorCode::IndexNotExist) | Err(_) => {
            of_plain_error(text, asked)
        }
    };
    Some(kind)
}

/// Bad input shares one code: the text tells a forgotten job and a collection that is not external from the rest.
fn of_bad_input(text: &str, asked: Option<JobId>) -> ErrorKind {
    if denies_job(text, asked) {
        ErrorKind::JobNotFound
    } else if text.contains(NOT_EXTERNAL) {
        ErrorKind::NotExternal
    } else {
        ErrorKind::InvalidRequest
    }
}

/// An error that was raised without a code. Some builds answer a malformed spec like this.
fn of_plain_error(text: &str, asked: Option<JobId>) -> ErrorKind {
    /// How the checks begin that Milvus makes before there is a job. Mere mentions of source or spec do not count: they
    /// are also in errors that follow an accepted start.
    const SPEC_CHECKS: [&str; 8] = [
        "invalid external spec",
        "failed to parse external spec",
        "unsupported format",
        "external_source scheme",
        "external_source must",
        "external_source is empty",
        "extfs key",
        "extfs credential mode",
    ];
    let words = own_words(text);
    if denies_job(text, asked) {
        ErrorKind::JobNotFound
    } else if words.contains(NOT_EXTERNAL) {
        ErrorKind::NotExternal
    } else if SPEC_CHECKS.iter().any(|check| words.contains(check)) {
        ErrorKind::InvalidRequest
    } else {
        ErrorKind::Internal
    }
}

const NOT_EXTERNAL: &str = "is not an external collection";

/// Whether Milvus says of the job that was asked for that there is none. It has the same codes for all bad input, so nothing
/// but this sentence counts: "job worker node not found" is no word about a job.
fn denies_job(text: &str, asked: Option<JobId>) -> bool {
    asked.is_some_and(|job| text.contains(&format!("refresh job {job} not found")))
}

/// The words of `text` that are Milvus' own, in lower case. From the first quotation on it may repeat a source or a spec, which
/// hold whatever their author likes.
fn own_words(text: &str) -> String {
    let quoted = ["\"", "`", "{", "://"].iter().filter_map(|mark| text.find(mark)).min();
    text.get(..quoted.unwrap_or(text.len())).unwrap_or_default().to_ascii_lowercase()
}

impl MilvusError {
    /// The active job that a [`ErrorKind::DuplicateJob`] names. Milvus has several wordings, and one without an id.
    pub fn active_job(&self) -> Option<JobId> {
        const BEFORE_ID: &str = "refresh job ";
        if self.kind != ErrorKind::DuplicateJob {
            return None;
        }
        self.message.match_indices(BEFORE_ID).find_map(|(start, _)| {
            let after = self.message.get(start + BEFORE_ID.len()..)?;
            let (digits, _) = after.split_once(" is already in progress")?;
            digits.parse().ok().filter(|id| *id > 0).map(JobId)
        })
    }
}

/// A cause of an error with all its own causes, outermost first.
pub(super) fn chain(error: &dyn Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

/// Whether a gRPC server made this status. The client library makes the same codes out of plain HTTP answers and of
/// answers that it cannot read, say a compressed success: none of them is a refusal.
fn is_from_grpc_server(status: &Status) -> bool {
    status
        .metadata()
        .get("content-type")
        .is_some_and(|content_type| content_type.as_encoded_bytes().starts_with(b"application/grpc"))
}

fn is_decoding_error(text: &str) -> bool {
    const STARTS: [&str; 5] = [
        "protocol error",
        "failed to decode",
        "Unexpected EOF decoding stream",
        "Missing response message",
        "Error decompressing",
    ];
    STARTS.iter().any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::sync::Arc;

    use super::*;

    fn status(code: i32, error_code: i32, reason: &str) -> Verdict {
        Verdict { code, error_code, reason: reason.to_owned(), detail: String::new() }
    }

    fn served(code: Code, text: &str) -> Status {
        let mut status = Status::new(code, text);
        status.metadata_mut().insert("content-type", "application/grpc".parse().unwrap());
        status
    }

    #[test]
    fn only_two_zero_codes_are_a_success() {
        assert_eq!(of_status(&status(0, 0, ""), None), None);
        assert_eq!(of_status(&status(0, 1, ""), None), Some(ErrorKind::Internal));
        assert_eq!(of_status(&status(5, 0, ""), None), Some(ErrorKind::Internal));
    }

    #[test]
    fn codes_of_milvus_have_their_classes() {
        use ErrorKind::*;
        let table = [
            (1, "service not ready", Busy),
            (2, "service unavailable", Busy),
            (3, "memory limit exceeded", Busy),
            (4, "too many requests", Busy),
            (5, "service internal error", Internal),
            (6, "cross cluster routing", Internal),
            (7, "disk limit exceeded", Busy),
            (8, "rate limit exceeded", Busy),
            (9, "quota exceeded", Busy),
            (10, "service unimplemented", Unsupported),
            (11, "time tick long delay", Busy),
            (12, "resource insufficient", Busy),
            (100, "can't find collection[database=default][collection=x]", CollectionNotFound),
            (101, "collection not loaded[collection=7]", NotLoaded),
            (103, "collection not fully loaded[collection=7]", NotLoaded),
            (105, "illegal collection schema", InvalidRequest),
            (106, "collection on recovering[collection=7]", NotLoaded),
            (110, "schema version not ready", Internal),
            (700, "index not found", Internal),
            (703, "refresh job 7 is already in progress for collection c", DuplicateJob),
            (800, "database not found[database=x]", DatabaseNotFound),
            (802, "invalid database name", DatabaseNotFound),
            (901, "node not found", Internal),
            (1007, "bad credentials", Internal),
            (1100, "refresh job 5 not found: invalid parameter", JobNotFound),
            (1100, "collection c is not an external collection: invalid parameter", NotExternal),
            (1100, "collection c has no persisted external_source/external_spec", InvalidRequest),
            (1100, "external_source and external_spec must both be provided or both omitted", InvalidRequest),
            (1101, "job_id is required", InvalidRequest),
            (1102, "collection name too long", InvalidRequest),
            (1400, "not authenticated", Unauthenticated),
            (1401, "not permitted", PermissionDenied),
            (1600, "alias not found", CollectionNotFound),
            (3000, "operation not supported", InvalidRequest),
            (10_000, "context canceled", Timeout),
            (10_001, "context deadline exceeded", Timeout),
            (65_535, "something broke", Internal),
            (65_535, "invalid external spec JSON: unexpected end of input", InvalidRequest),
            (65_535, "unsupported format \"csv\", supported formats: parquet", InvalidRequest),
            (65_535, "refresh job 5 not found", JobNotFound),
            (-7, "a code of the future", Internal),
        ];
        for (code, text, kind) in table {
            assert_eq!(of_status(&status(code, 1, text), Some(JobId(5))), Some(kind), "code {code}: {text}");
        }
    }

    #[test]
    fn only_what_the_proxy_checks_first_is_said_by_the_proxy() {
        let all = (-10..=4000).chain([10_000, 10_001, 65_535]);
        let first: Vec<i32> = all.filter(|code| is_said_by_the_proxy(*code)).collect();
        assert_eq!(first, [100, 800, 802, 1100, 1101, 1102]);
    }

    #[test]
    fn a_plain_error_that_mentions_the_source_is_no_refusal() {
        for text in [
            "failed to publish external_source of collection c to the schema",
            "failed to apply spec \"unsupported format\" of the job",
            "failed to apply {\"comment\":\"invalid external spec\"}",
            "failed to apply s3://bucket/external_source must/x",
            "failed to apply {\"comment\":\"c is not an external collection\"}",
        ] {
            assert_eq!(of_status(&status(65_535, 1, text), None), Some(ErrorKind::Internal), "{text}");
        }
    }

    #[test]
    fn only_milvus_own_sentence_about_the_asked_job_says_that_there_is_none() {
        let asked = Some(JobId(5));
        for text in [
            "job worker node not found",
            "can't find collection[database=default][collection=jobs]: not found",
            "collection not found[collection=jobs]",
            "refresh job 55 not found: invalid parameter",
            "refresh job 4 not found: invalid parameter",
            "refresh job 15 not found",
            "worker of refresh job 5: node not found",
        ] {
            for code in [1100, 1101, 1102, 65_535] {
                let kind = of_status(&status(code, 1, text), asked);
                assert_ne!(kind, Some(ErrorKind::JobNotFound), "code {code}: {text}");
            }
            for legacy in [1, 5] {
                assert_ne!(
                    of_status(&status(0, legacy, text), asked),
                    Some(ErrorKind::JobNotFound),
                    "{legacy}: {text}"
                );
            }
        }
        let sentence = status(1100, 5, "refresh job 5 not found: invalid parameter");
        assert_eq!(of_status(&sentence, asked), Some(ErrorKind::JobNotFound));
        assert_eq!(of_status(&sentence, None), Some(ErrorKind::InvalidRequest), "no job was asked for");
    }

    #[test]
    fn older_codes_count_where_the_new_one_is_zero() {
        use ErrorKind::*;
        let table = [
            (1, "boom", Internal),
            (3, "denied", PermissionDenied),
            (4, "can't find collection", CollectionNotFound),
            (5, "refresh job 5 not found", JobNotFound),
            (5, "bad name", InvalidRequest),
            (48, "deny", Busy),
            (49, "rate limit", Busy),
            (56, "not ready", Busy),
            (777, "unknown", Internal),
        ];
        for (code, text, kind) in table {
            assert_eq!(of_status(&status(0, code, text), Some(JobId(5))), Some(kind), "legacy code {code}: {text}");
        }
    }

    #[test]
    fn statuses_of_grpc_servers_have_their_classes() {
        use ErrorKind::*;
        let table = [
            (Code::Unauthenticated, "auth check failure", Unauthenticated),
            (Code::PermissionDenied, "privilege check failed", PermissionDenied),
            (Code::Unimplemented, "unknown method RefreshExternalCollection", Unsupported),
            (Code::Unavailable, "no healthy upstream", Unreachable),
            (Code::DeadlineExceeded, "context deadline exceeded", Timeout),
            (Code::Cancelled, "context canceled", Timeout),
            (Code::ResourceExhausted, "message larger than max", Busy),
            (Code::Unknown, "internal: Milvus Proxy is not ready yet. please wait", Starting),
            (Code::Unknown, "service unavailable[reason=Milvus Proxy is not ready yet]", Starting),
            (Code::Unknown, "data coordinator is not ready", Busy),
            (Code::Unknown, "cannot apply \"Milvus Proxy is not ready\"", Internal),
            (Code::Unavailable, "Milvus Proxy is not ready yet", Unreachable),
            (Code::Unknown, "panic", Internal),
            (Code::Internal, "boom", Internal),
            (Code::Internal, "failed to decode Protobuf message: invalid wire type", Malformed),
            (Code::OutOfRange, "Error, decoded message length too large", Malformed),
            (Code::InvalidArgument, "bad", Internal),
        ];
        for (code, text, kind) in table {
            assert_eq!(of_grpc(&served(code, text)), kind, "{code:?}: {text}");
        }
    }

    #[test]
    fn codes_that_no_grpc_server_gave_are_never_a_refusal() {
        for code in (0..=16).map(Code::from_i32) {
            let local = of_grpc(&Status::new(code, "Content is compressed with `gzip` which isn't supported"));
            assert!(!local.is_refusal(), "{code:?}");
            let mut transport = served(code, "h2 protocol error");
            transport.set_source(Arc::new(std::io::Error::other("reset")));
            assert_eq!(of_grpc(&transport), ErrorKind::Unreachable, "{code:?}");
        }
    }

    #[test]
    fn a_duplicate_names_the_active_job_where_milvus_does() {
        let named = |text: &str| MilvusError::new(ErrorKind::DuplicateJob, text).active_job();
        let id = Some(JobId(461_234_567_890_123_456));
        assert_eq!(named("refresh job 461234567890123456 is already in progress for collection c; poll it"), id);
        assert_eq!(named("a refresh job is active: refresh job 461234567890123456 is already in progress"), id);
        assert_eq!(named("please wait for it to complete or cancel it first"), None);
        assert_eq!(named("refresh job 5 of another collection has failed; wait for it"), None);
        assert_eq!(named("refresh job 0 is already in progress"), None);
        assert_eq!(named("refresh job 99999999999999999999999 is already in progress"), None);
        assert_eq!(MilvusError::new(ErrorKind::JobNotFound, "refresh job 5 not found").active_job(), None);
    }
}
