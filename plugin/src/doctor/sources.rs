//! The refreshes: whether the operator sees them and their sources, and which of them need somebody.

use jiff::Timestamp;
use milvus_refresh_operator::{
    api::{ExternalCollectionRefresh, SOURCE_FRESH, STALLED},
    object::Key,
};

use super::{Finding, is_ignored, name_of};
use crate::{named::named, words::condition};

/// What is found of them.
pub fn examine(refreshes: &[ExternalCollectionRefresh], now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> = refreshes.iter().flat_map(|refresh| of(refresh, now)).collect();
    let watched = refreshes.iter().filter(|refresh| refresh.spec.watch.is_some()).count();
    if findings.is_empty() && !refreshes.is_empty() {
        let all = refreshes.len();
        findings.push(Finding::ok(format!("Refreshes: {all}, {watched} with a watched source; none needs somebody.")));
    }
    findings
}

fn of(refresh: &ExternalCollectionRefresh, now: Timestamp) -> Vec<Finding> {
    let name = name_of(refresh);
    let Some(status) =
        refresh.status.as_ref().filter(|status| status.observed_generation.is_some_and(|seen| seen >= 0))
    else {
        let ignored = is_ignored(&refresh.metadata, None, now);
        let text = "No operator has looked at refresh";
        return ignored
            .then(|| {
                Finding::problem(format!(
                    "{text} {name}: none is at work, or it watches other namespaces (--watch-namespace)."
                ))
            })
            .into_iter()
            .collect();
    };
    let mut findings = Vec::new();
    if let Some(fresh) = condition(status, SOURCE_FRESH) {
        let said = format!("Source of refresh {name}: {}: {}", fresh.reason, fresh.message);
        match (fresh.status.as_str(), fresh.reason.as_str()) {
            ("Unknown", _) => findings.push(Finding::problem(said)),
            ("False", "Held" | "InPlaceRewrite") => findings.push(Finding::warning(said)),
            _ => {}
        }
    }
    if let Some(stalled) = condition(status, STALLED).filter(|stalled| stalled.status == "True") {
        findings.push(Finding::warning(format!(
            "Refresh {name} does nothing until somebody changes something: {}. Why, and what to do: kubectl ecrefresh why {}",
            stalled.reason,
            named(&Key::of(refresh))
        )));
    }
    findings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::{super::Level, *};

    fn found(observed: i64, conditions: &[(&str, &str, &str)], now: &str) -> Vec<Level> {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(type_, status, reason)| {
                json!({ "type": type_, "status": status, "reason": reason, "message": "told",
                    "lastTransitionTime": "2026-11-26T12:00:00Z" })
            })
            .collect();
        let refresh = serde_json::from_value(json!({
            "metadata": { "name": "a", "namespace": "shop", "creationTimestamp": "2026-11-26T12:00:00Z" },
            "spec": { "collectionName": "a" }, "status": { "observedGeneration": observed, "conditions": conditions },
        }))
        .unwrap();
        of(&refresh, now.parse().unwrap()).into_iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn who_cannot_be_looked_at_is_a_problem_and_who_needs_somebody_a_warning() {
        let now = "2026-11-26T12:10:00Z";
        for (conditions, levels) in [
            (&[("SourceFresh", "True", "UpToDate")][..], &[][..]),
            (&[("SourceFresh", "False", "Settling")], &[]),
            (&[("SourceFresh", "Unknown", "CheckFailed")], &[Level::Problem]),
            (&[("SourceFresh", "False", "Held")], &[Level::Warning]),
            (
                &[("SourceFresh", "Unknown", "NotAllowed"), ("Stalled", "True", "SourceEmpty")],
                &[Level::Problem, Level::Warning],
            ),
            (&[("Stalled", "False", "SourceEmpty")], &[]),
        ] {
            assert_eq!(found(1, conditions, now), levels, "{conditions:?}");
        }
        assert_eq!(found(-1, &[], now), [Level::Problem]);
        assert_eq!(found(-1, &[], "2026-11-26T12:00:30Z"), []);
    }
}
