//! The failure classes.

use std::{collections::BTreeSet, fs, path::Path};

use crate::refresh::{
    FailureClass::{self, *},
    failure::Words,
    failures_page,
};

/// Reasons as Milvus words them, besides those of the documentation.
const REASONS: &[(&str, FailureClass)] = &[
    ("", Unknown),
    ("something new", Unknown),
    ("Timeout", JobTimeout),
    ("timeout, last failure: query task failed: node 7 is gone", JobTimeout),
    ("timeout, last failure: ", JobTimeout),
    ("timeout, last failure: failed to explore external files: AWS Error NO_SUCH_BUCKET", SourceNotFound),
    ("timeout, last failure: external source/spec failed revalidation: region is required", InvalidSpec),
    ("explore external files failed: no files found in external source s3://bucket/a/", SourceEmpty),
    ("safety check failed: refusing to drop all 12 segments without replacement", SourceEmpty),
    ("file a.parquet has zero rows", SourceEmpty),
    ("failed to explore external files: external source/spec failed revalidation: region is required", InvalidSpec),
    ("unsupported format \"csv\", supported formats: parquet", InvalidSpec),
    ("explore external files failed: AccessDenied: Access Denied (status 403)", SourceAccessDenied),
    ("explore external files failed: operation error S3: 403 Forbidden", SourceAccessDenied),
    ("explore external files failed: AWS Error UNKNOWN (HTTP status 403) during HeadObject", SourceAccessDenied),
    ("explore external files failed: <Code>AccessDenied</Code><Message>No.</Message>", SourceAccessDenied),
    ("explore external files failed: AWS Error INVALID_ACCESS_KEY_ID", SourceAccessDenied),
    ("explore external files failed: SignatureDoesNotMatch", SourceAccessDenied),
    ("explore external files failed: ExpiredToken: The provided token has expired", SourceAccessDenied),
    ("explore external files failed: permission denied", SourceAccessDenied),
    ("explore external files failed: Permission 'storage.objects.list' denied on resource", SourceAccessDenied),
    ("explore external files failed: AuthorizationPermissionMismatch", SourceAccessDenied),
    ("explore external files failed: no credentials provider", SourceAccessDenied),
    ("query task failed: AccessDenied", SourceAccessDenied),
    ("User: arn:aws:iam::1:user/a is not authorized to perform: sts:AssumeRole", SourceAccessDenied),
    ("explore external files failed: NoSuchBucket: the specified bucket does not exist", SourceNotFound),
    ("explore external files failed: NoSuchKey", SourceNotFound),
    ("explore external files failed: no such file or directory", SourceNotFound),
    ("explore external files failed: key not found[key=a/b.parquet]", SourceNotFound),
    ("explore external files failed: ContainerNotFound", SourceNotFound),
    ("explore external files failed: AWS Error RESOURCE_NOT_FOUND during HeadObject operation", SourceNotFound),
    ("task not found", ServerInternal),
    ("job canceled: dropped", ServerInternal),
    ("query task failed: timeout", ServerInternal),
    ("query task failed: Invalid: Column 'vec' not found in schema. [path=p/data.parquet]", SchemaMismatch),
    ("external column not found: embedding", SchemaMismatch),
    ("column price is missing in file a.parquet", SchemaMismatch),
    ("type mismatch: field vec wants FloatVector, file has Utf8", SchemaMismatch),
    ("schema of the file does not match", SchemaMismatch),
    ("explore external files failed: milvus-table refresh schema invalid", SchemaMismatch),
    ("collection 5 is not an external collection", NotExternalCollection),
    ("failed to explore external files: collection 461234567890123456 not found", CollectionNotFound),
    ("failed to explore external files: can't find collection[collection=7]", CollectionNotFound),
    ("database not found[database=9]", DatabaseNotFound),
    // An error that quotes both specs of a job, whatever they say.
    (
        "task source mismatch: task source=s3://a/no such bucket/{\"columns\": [\"access denied\"]}, job source=s3://b/ \
         (task belongs to a different refresh job)",
        ServerInternal,
    ),
    // Words that look like those of a class.
    ("Timeout was reached while listing", Unknown),
    ("timeouts are counted", Unknown),
    ("unexpected columnar encoding", Unknown),
    ("explore external files failed: connection reset by peer", Unknown),
];

#[test]
fn milvus_reasons_have_the_class_that_a_person_would_give_them() {
    for (reason, class) in REASONS {
        assert_eq!(FailureClass::of_reason(reason), *class, "{reason:?}");
    }
}

#[test]
fn the_reasons_in_the_documentation_are_of_the_class_that_they_stand_under() {
    let mut reasons = 0;
    for class in FailureClass::ALL {
        for words in class.entry().words {
            if let Words::Reason(reason) = words {
                assert_eq!(FailureClass::of_reason(reason), class, "{reason:?}");
                reasons += 1;
            }
        }
    }
    assert!(reasons > 15, "only {reasons} reasons were looked at");
}

#[test]
fn names_within_a_path_are_no_words_of_milvus() {
    let names =
        ["access-denied", "no_such_bucket", "forbidden", "type mismatch".split(' ').next().unwrap(), "no-credentials"];
    for name in names {
        for reason in [
            format!("explore external files failed: connection reset by peer: s3://bucket/{name}/"),
            format!("explore external files failed: connection reset [path={name}/a.parquet]"),
        ] {
            assert_eq!(FailureClass::of_reason(&reason), Unknown, "{reason:?}");
        }
        let reason = format!("no files found in external source: s3://bucket/{name}/");
        assert_eq!(FailureClass::of_reason(&reason), SourceEmpty, "{reason:?}");
    }
}

#[test]
fn case_spaces_and_punctuation_do_not_count() {
    for reason in ["NoSuchBucket", "NO_SUCH_BUCKET", "no such bucket", "No-Such-Bucket:"] {
        assert_eq!(FailureClass::of_reason(reason), SourceNotFound, "{reason:?}");
    }
}

#[test]
fn every_class_says_what_it_means_and_what_to_do() {
    for class in FailureClass::ALL {
        let entry = class.entry();
        assert_eq!(entry.name, format!("{class:?}"));
        for sentence in [entry.meaning, entry.happened] {
            assert!(sentence.ends_with('.') && sentence.len() > 20, "{class:?}: {sentence:?}");
        }
        assert!(entry.steps.len() > 1, "{class:?}");
        for text in [entry.remedy, entry.meaning, entry.happened].iter().chain(entry.steps) {
            assert!(!text.contains("  ") && !text.contains('\n') && text.trim() == *text, "{class:?}: {text:?}");
        }
        let anchor = format!(". More: docs/failures.md#{}", entry.name.to_lowercase());
        assert!(entry.remedy.ends_with(&anchor), "{class:?}: {:?}", entry.remedy);
        assert!(entry.remedy.len() < 256, "{class:?}: {:?} leaves too little for Milvus' words", entry.remedy);
    }
}

#[test]
fn names_are_unique_and_read_back() {
    let names: BTreeSet<_> = FailureClass::ALL.into_iter().map(FailureClass::as_str).collect();
    assert_eq!(names.len(), FailureClass::ALL.len());
    for class in FailureClass::ALL {
        assert_eq!(FailureClass::parse(class.as_str()), Some(class));
    }
    assert_eq!(FailureClass::parse("MoonPhase"), None);
    assert_eq!(FailureClass::parse("unknown"), None);
}

#[test]
fn only_what_milvus_says_is_retried_and_the_steps_tell_what_the_next_retry_does() {
    for class in FailureClass::ALL {
        let entry = class.entry();
        let told = entry.steps.iter().any(|step| step.contains("next retry"));
        assert_eq!(class.retryable(), told, "{class:?}: the steps of a class speak of the next retry if there is one");
        assert!(!class.retryable() || !entry.words.is_empty(), "{class:?} is the operator's own verdict");
    }
}

#[test]
fn the_documentation_is_what_the_code_generates() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/failures.md");
    let file = fs::read_to_string(&path).unwrap_or_default();
    assert!(file == failures_page(), "{} is not what the code generates; run `make docs`", path.display());
}

#[test]
fn every_remedy_leads_to_a_section_of_the_documentation() {
    let page = failures_page();
    let headings: BTreeSet<_> =
        page.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_lowercase).collect();
    assert_eq!(headings.len(), FailureClass::ALL.len());
    for class in FailureClass::ALL {
        let (_, anchor) = class.remedy().rsplit_once('#').unwrap();
        assert!(headings.contains(anchor), "{class:?}: there is no {anchor}");
        assert!(page.contains(&format!("](#{anchor})")), "{class:?} is not in the table");
    }
}

#[test]
fn the_runbook_of_failed_runs_names_each_class() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks/RefreshFailed.md");
    let page = fs::read_to_string(path).unwrap();
    let missing: Vec<&str> = FailureClass::ALL
        .iter()
        .map(|class| class.as_str())
        .filter(|class| !page.contains(&format!("`{class}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
