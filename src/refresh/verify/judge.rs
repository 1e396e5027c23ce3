//! What one look says of what the spec asks to be checked.

use super::{Check, Outcome, Verify, VerifyReason};
use crate::{
    api::{VerifyQuery, VerifyRows},
    milvus::{
        self, ErrorKind, Index, IndexState, LoadState, MilvusError,
        examiner::{Evidence, Mapped},
    },
    refresh::limits::{bounded, quoted},
};

/// What a look says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub outcome: Outcome,
    /// Whether waiting cannot change it.
    pub settled: bool,
    pub reason: VerifyReason,
    pub message: String,
    pub mapped: Option<i64>,
    pub served: Option<i64>,
    pub checks: Vec<Check>,
}

/// One check and what follows from it.
struct Finding {
    check: Check,
    reason: VerifyReason,
    settled: bool,
}

/// What the checks compare with.
pub(super) struct Against {
    /// The rows after the last run that was verified.
    pub previous: Option<i64>,
    /// The collection that the run was claimed for.
    pub collection: Option<i64>,
}

/// Judges what a look found, or why nothing could be found.
pub(super) fn judge(verify: &Verify, against: &Against, found: &milvus::Result<Evidence>) -> Verdict {
    match found {
        Ok(evidence) => judged(verify, against, evidence),
        Err(error) => could_not(error),
    }
}

/// Nothing could be found, for this reason.
fn could_not(error: &MilvusError) -> Verdict {
    let finding = match error.kind {
        ErrorKind::CollectionNotFound | ErrorKind::DatabaseNotFound => {
            let message = format!("The collection does not exist: {}", error.message);
            Finding::new("served", Outcome::Failed, VerifyReason::NotServed, message)
        }
        _ => Finding::error("served", error),
    };
    Verdict::of(vec![finding], None, None)
}

fn judged(verify: &Verify, against: &Against, evidence: &Evidence) -> Verdict {
    let mapped = evidence.mapped.as_ref().ok().map(|mapped| mapped.rows);
    let counted = evidence.count.as_ref().and_then(|count| count.as_ref().ok()).copied();
    let by_segments = evidence.served.as_ref().and_then(|served| served.as_ref().ok()).map(|served| served.rows);
    let mut findings = Vec::new();
    if let (Some(now), Some(claimed)) = (evidence.collection, against.collection)
        && now != claimed
    {
        findings.push(replaced());
    }
    findings.extend(verify.spec.rows.as_ref().map(|rows| check_rows(rows, against.previous, evidence)));
    findings.push(check_served(verify, evidence));
    findings.extend(evidence.count.as_ref().map(|count| check_count(verify, mapped, count)));
    findings.extend(evidence.indexes.as_ref().map(check_indexes));
    findings.extend(check_queries(verify, evidence));
    Verdict::of(findings, mapped, counted.or(by_segments))
}

fn replaced() -> Finding {
    let message = "The collection was dropped and created again since the run: what the run refreshed is gone. Set a new \
                   spec.trigger to refresh the new one.";
    Finding::new("served", Outcome::Failed, VerifyReason::NotServed, message.to_owned()).settled()
}

/// The rows by the metadata; where the server does not tell, those that a query finds.
fn check_rows(rows: &VerifyRows, previous: Option<i64>, evidence: &Evidence) -> Finding {
    const NAME: &str = "rows";
    let (observed, final_) = match (&evidence.mapped, &evidence.count) {
        (Ok(Mapped { rows, .. }), _) => (*rows, true),
        (Err(error), Some(Ok(count))) if error.kind == ErrorKind::Unsupported => (*count, false),
        (Err(error), _) if error.kind == ErrorKind::Unsupported => {
            let message =
                "This Milvus does not tell how many rows it has mapped (GetPersistentSegmentInfo).".to_owned();
            return Finding::new(NAME, Outcome::Inconclusive, VerifyReason::Unsupported, message).settled();
        }
        (Err(error), _) => return Finding::error(NAME, error),
    };
    let least = rows.min.unwrap_or_default();
    let kept = previous.zip(rows.max_drop_percent).map_or(0, |(previous, percent)| least_after_drop(previous, percent));
    let finding = if observed < least {
        let message = format!("The collection has {observed} rows; spec.verify.rows.min is {least}.");
        Finding::new(NAME, Outcome::Failed, VerifyReason::TooFewRows, message)
    } else if observed < kept {
        let (previous, percent) = (previous.unwrap_or_default(), rows.max_drop_percent.unwrap_or_default());
        let message = format!(
            "The collection has {observed} rows, after {previous} before: more than {percent} % less \
             (spec.verify.rows.maxDropPercent). If that is right, raise the limit and set a new spec.trigger."
        );
        Finding::new(NAME, Outcome::Failed, VerifyReason::RowsDropped, message)
    } else {
        Finding::passed(NAME)
    };
    Finding { settled: final_, ..finding.of(observed, least.max(kept)) }
}

/// The least number of rows that is no larger drop from `previous` than `percent`.
fn least_after_drop(previous: i64, percent: i64) -> i64 {
    let kept = i128::from(previous) * i128::from(100 - percent.clamp(0, 100));
    i64::try_from((kept + 99) / 100).unwrap_or(i64::MAX)
}

/// The segments that the metadata names against those that are served.
fn check_served(verify: &Verify, evidence: &Evidence) -> Finding {
    const NAME: &str = "served";
    match &evidence.load {
        Ok(LoadState::NotLoaded) => return not_loaded(verify, NAME, true),
        Ok(LoadState::Loading) => return not_loaded(verify, NAME, false),
        Ok(LoadState::Loaded) => {}
        Err(error) if error.kind == ErrorKind::Unsupported => {}
        Err(error) => return Finding::error(NAME, error),
    }
    let (mapped, served) = match (&evidence.mapped, &evidence.served) {
        (Ok(mapped), Some(Ok(served))) => (mapped, served),
        (Err(error), _) | (_, Some(Err(error))) if error.kind == ErrorKind::Unsupported => {
            let message = "This Milvus does not tell which segments it serves (GetPersistentSegmentInfo, \
                           GetQuerySegmentInfo); only count(*) was checked.";
            return Finding::new(NAME, Outcome::Inconclusive, VerifyReason::Unsupported, message.to_owned()).settled();
        }
        (_, Some(Err(error))) if error.kind == ErrorKind::NotLoaded => return not_loaded(verify, NAME, false),
        (Err(error), _) | (_, Some(Err(error))) => return Finding::error(NAME, error),
        (Ok(_), None) => return not_loaded(verify, NAME, false),
    };
    let finding = if served.segments < mapped.segments {
        let message =
            format!("Milvus serves {} of the {} segments of the collection.", served.segments, mapped.segments);
        Finding::new(NAME, Outcome::Failed, VerifyReason::NotServed, message)
    } else if served.rows < mapped.rows {
        let message = format!("Milvus serves {} of the {} rows of the collection.", served.rows, mapped.rows);
        Finding::new(NAME, Outcome::Failed, VerifyReason::NotServed, message)
    } else {
        Finding::passed(NAME)
    };
    finding.of(served.segments, mapped.segments)
}

/// Milvus says that the collection is not loaded; `settled` unless it is being loaded.
fn not_loaded(verify: &Verify, name: &str, settled: bool) -> Finding {
    let (outcome, more) = if verify.needs_load() {
        (Outcome::Failed, " spec.verify.load demands it.")
    } else {
        (Outcome::Inconclusive, " What it serves can be told only once it is.")
    };
    let message = format!("The collection is not loaded.{more}");
    let finding = Finding::new(name, outcome, VerifyReason::NotLoaded, message);
    Finding { settled: settled && !verify.needs_load(), ..finding }
}

/// What a query without filter finds. It finds exactly the mapped rows once Milvus serves all of them and no old ones.
fn check_count(verify: &Verify, mapped: Option<i64>, count: &milvus::Result<i64>) -> Finding {
    const NAME: &str = "count";
    let count = match count {
        Ok(count) => *count,
        Err(error) if error.kind == ErrorKind::NotLoaded => return not_loaded(verify, NAME, false),
        Err(error) => return Finding::error(NAME, error),
    };
    let finding = match mapped {
        Some(mapped) if count != mapped => {
            let message = format!("A query finds {count} rows; the collection has {mapped}.");
            Finding::new(NAME, Outcome::Failed, VerifyReason::NotServed, message)
        }
        None if count == 0 => {
            Finding::new(NAME, Outcome::Failed, VerifyReason::NotServed, "A query finds no rows.".to_owned())
        }
        Some(_) | None => Finding::passed(NAME),
    };
    finding.of(count, mapped.unwrap_or(1))
}

fn check_indexes(indexes: &milvus::Result<Vec<Index>>) -> Finding {
    const NAME: &str = "index";
    let indexes = match indexes {
        Ok(indexes) => indexes,
        Err(error) => return Finding::error(NAME, error),
    };
    let pending = indexes.iter().fold(0, |sum: i64, index| sum.saturating_add(index.pending_rows.max(0)));
    let of_state = |state| indexes.iter().find(|index| index.state == state);
    let finding = if let Some(index) = of_state(IndexState::Failed) {
        let message = format!(
            "Index {} failed: {} It does not heal by waiting; drop the index and create it again.",
            quoted(&index.name, 64),
            if index.reason.is_empty() { "Milvus gave no reason." } else { &index.reason }
        );
        Finding::new(NAME, Outcome::Failed, VerifyReason::IndexFailed, message).settled()
    } else if let Some(index) = of_state(IndexState::Unfinished).or(indexes.iter().find(|index| index.pending_rows > 0))
    {
        let message = format!("Index {} is not finished: {pending} rows are not indexed.", quoted(&index.name, 64));
        Finding::new(NAME, Outcome::Failed, VerifyReason::IndexPending, message)
    } else {
        Finding::passed(NAME)
    };
    finding.of(pending, 0)
}

fn check_queries(verify: &Verify, evidence: &Evidence) -> Vec<Finding> {
    let queries = &verify.spec.queries;
    let Some(found) = &evidence.queries else {
        let asked = evidence.count.is_some();
        return queries.iter().filter(|_| asked).map(not_allowed).collect();
    };
    let check = |(query, found): (&VerifyQuery, &milvus::Result<i64>)| {
        let name = format!("query/{}", query.name);
        match found {
            Ok(rows) if *rows >= query.min_rows => Finding::passed(&name).of(*rows, query.min_rows),
            Ok(rows) => {
                let message =
                    format!("Query {} finds {rows} rows; at least {} are expected.", query.name, query.min_rows);
                Finding::new(&name, Outcome::Failed, VerifyReason::QueryFailed, message).of(*rows, query.min_rows)
            }
            Err(error) if error.kind == ErrorKind::InvalidRequest => {
                let message = format!("Milvus cannot use the filter of query {}: {}", query.name, error.message);
                Finding::new(&name, Outcome::Error, VerifyReason::CheckFailed, message).settled()
            }
            Err(error) if error.kind == ErrorKind::NotLoaded => not_loaded(verify, &name, false),
            Err(error) => Finding::error(&name, error),
        }
    };
    queries.iter().zip(found).map(check).collect()
}

fn not_allowed(query: &VerifyQuery) -> Finding {
    let message = format!(
        "Query {} was not made: the MilvusConnection does not set allowVerifyQueries. Ask its owner, or remove the query.",
        query.name
    );
    Finding::new(&format!("query/{}", query.name), Outcome::Error, VerifyReason::NotAllowed, message)
}

impl Finding {
    fn new(name: &str, outcome: Outcome, reason: VerifyReason, message: String) -> Self {
        let message = bounded(&message);
        let check = Check { name: name.to_owned(), outcome, observed: None, expected: None, message };
        Self { check, reason, settled: false }
    }

    fn passed(name: &str) -> Self {
        Self::new(name, Outcome::Passed, VerifyReason::Passed, String::new()).settled()
    }

    /// The check could not be made.
    fn error(name: &str, error: &MilvusError) -> Self {
        let settled = error.kind == ErrorKind::InvalidRequest;
        Self { settled, ..Self::new(name, Outcome::Error, VerifyReason::CheckFailed, error.message.clone()) }
    }

    fn of(mut self, observed: i64, expected: i64) -> Self {
        self.check.observed = Some(observed);
        self.check.expected = Some(expected);
        self
    }

    fn settled(self) -> Self {
        Self { settled: true, ..self }
    }
}

impl Verdict {
    /// The worst of the findings, the first of several. One that waiting cannot mend is worse than one that it may, so that
    /// nobody waits in vain.
    fn of(findings: Vec<Finding>, mapped: Option<i64>, served: Option<i64>) -> Self {
        let badness =
            |finding: &&Finding| (finding.check.outcome, finding.settled && finding.check.outcome == Outcome::Failed);
        let worst = findings.iter().rev().max_by_key(badness);
        let (outcome, reason, message) = worst
            .map_or((Outcome::Passed, VerifyReason::Passed, String::new()), |worst| {
                (worst.check.outcome, worst.reason, worst.check.message.clone())
            });
        let hopeless = findings.iter().any(|finding| finding.settled && finding.check.outcome == Outcome::Failed);
        let settled = hopeless || findings.iter().all(|finding| finding.settled);
        let checks = findings.into_iter().map(|finding| finding.check).collect();
        Self { outcome, settled, reason, message, mapped, served, checks }
    }

    /// Which checks do not hold yet, by name.
    pub(super) fn pending(&self) -> String {
        let pending = self.checks.iter().filter(|check| check.outcome != Outcome::Passed);
        pending.map(|check| check.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}
