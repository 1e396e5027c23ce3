//! The failure classes.

use std::collections::BTreeSet;

use crate::refresh::FailureClass::{self, *};

/// Reasons as Milvus words them.
const REASONS: [(&str, FailureClass); 33] = [
    ("", Unknown),
    ("something new", Unknown),
    ("timeout", JobTimeout),
    ("Timeout", JobTimeout),
    ("timeout, last failure: query task failed: node 7 is gone", JobTimeout),
    ("timeout waiting for indexes: the data is applied and serving", IndexWaitTimeout),
    ("no files found in external source", SourceEmpty),
    ("explore external files failed: no files found in external source s3://bucket/a/", SourceEmpty),
    ("safety check failed: refusing to drop all 12 segments without replacement", SourceEmpty),
    ("external source/spec failed revalidation: region is required", InvalidSpec),
    ("explore external files failed: AccessDenied: Access Denied (status 403)", SourceAccessDenied),
    ("explore external files failed: operation error S3: 403 Forbidden", SourceAccessDenied),
    ("explore external files failed: InvalidAccessKeyId", SourceAccessDenied),
    ("explore external files failed: SignatureDoesNotMatch", SourceAccessDenied),
    ("explore external files failed: permission denied", SourceAccessDenied),
    ("explore external files failed: no credentials provider", SourceAccessDenied),
    ("explore external files failed: NoSuchBucket: the specified bucket does not exist", SourceNotFound),
    ("explore external files failed: NoSuchKey", SourceNotFound),
    ("explore external files failed: no such file or directory", SourceNotFound),
    ("explore external files failed: key not found[key=a/b.parquet]", SourceNotFound),
    ("explore external files failed: connection reset by peer", Unknown),
    ("task result not found", ServerInternal),
    ("task not found", ServerInternal),
    ("query task failed: rpc error: code = Unavailable", ServerInternal),
    ("worker requested retry", ServerInternal),
    ("task source mismatch: task 9 belongs to a different refresh job", ServerInternal),
    ("job canceled: dropped", ServerInternal),
    ("external column not found: embedding", SchemaMismatch),
    ("column price is missing in file a.parquet", SchemaMismatch),
    ("type mismatch: field vec wants FloatVector, file has Utf8", SchemaMismatch),
    ("file a.parquet has zero rows", SchemaMismatch),
    ("schema of the file does not match", SchemaMismatch),
    ("query task failed: AccessDenied", SourceAccessDenied),
];

#[test]
fn milvus_reasons_have_the_class_that_a_person_would_give_them() {
    for (reason, class) in REASONS {
        assert_eq!(FailureClass::of_reason(reason), class, "{reason:?}");
    }
}

#[test]
fn every_class_has_a_remedy_that_ends_its_sentence() {
    for class in FailureClass::ALL {
        let remedy = class.remedy();
        assert!(remedy.ends_with('.') && remedy.len() > 20 && remedy.len() < 256, "{class:?}: {remedy:?}");
        assert!(!remedy.contains("  ") && remedy.trim() == remedy, "{class:?}: {remedy:?}");
    }
}

#[test]
fn names_are_unique_and_read_back() {
    let names: BTreeSet<_> = FailureClass::ALL.into_iter().map(FailureClass::as_str).collect();
    assert_eq!(names.len(), FailureClass::ALL.len());
    for class in FailureClass::ALL {
        assert_eq!(FailureClass::parse(class.as_str()), Some(class));
        assert_eq!(class.as_str(), format!("{class:?}"));
    }
    assert_eq!(FailureClass::parse("MoonPhase"), None);
    assert_eq!(FailureClass::parse("unknown"), None);
}

#[test]
fn only_what_may_pass_by_itself_is_retried() {
    let retried: Vec<_> = FailureClass::ALL.into_iter().filter(|class| class.retryable()).collect();
    assert_eq!(retried, [CollectionNotFound, DatabaseNotFound, SourceNotFound, ServerInternal, Unknown]);
}
