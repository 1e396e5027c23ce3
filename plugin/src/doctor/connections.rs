//! The connections: what the operator says of them, and whether refreshes name any that there are not.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use milvus_refresh_operator::{
    api::{ExternalCollectionRefresh, MilvusConnection, READY, SOURCES_READY},
    object::Key,
};

use super::{Finding, is_ignored, name_of};

/// Refreshes that are named in a sentence.
const NAMED: usize = 3;

/// What is found of them, in this namespace or in all.
pub fn examine(
    connections: &[MilvusConnection],
    refreshes: &[ExternalCollectionRefresh],
    namespace: Option<&str>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = connections.iter().flat_map(|connection| of(connection, now)).collect();
    let there: BTreeSet<Key> = connections.iter().map(Key::of).collect();
    let mut missing: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for refresh in refreshes {
        let connection = refresh.connection();
        if !there.contains(&connection) {
            missing.entry(connection).or_default().push(name_of(refresh));
        }
    }
    for (Key { namespace, name }, refreshes) in &missing {
        let named = refreshes.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = refreshes.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        findings.push(Finding::problem(format!(
            "There is no connection {namespace}/{name}, which {named}{more} refers to. Create it: kubectl ecrefresh connect {name} -n \
             {namespace} --address http://HOST:19530"
        )));
    }
    if findings.is_empty() {
        let place = namespace.map_or_else(|| "in this cluster".to_owned(), |name| format!("in namespace {name}"));
        let of_it = namespace.map(|name| format!(" -n {name}")).unwrap_or_default();
        findings.push(Finding::warning(format!(
            "There are no connections {place}. To write one: kubectl ecrefresh connect{of_it} --address http://HOST:19530"
        )));
    }
    findings
}

fn of(connection: &MilvusConnection, now: Timestamp) -> Vec<Finding> {
    let name = name_of(connection);
    let status = connection.status.as_ref();
    let find =
        |type_: &str| -> Option<&Condition> { status?.conditions.iter().find(|condition| condition.type_ == type_) };
    let mut findings = vec![match find(READY) {
        Some(ready) if ready.status == "True" => Finding::ok(format!("Connection {name}: {}", ready.message)),
        Some(ready) => Finding::problem(format!("Connection {name}: {}: {}", ready.reason, ready.message)),
        None if is_ignored(&connection.metadata, status.and_then(|status| status.observed_generation), now) => {
            Finding::problem(format!(
                "No operator has looked at connection {name}: none is at work, or it watches other namespaces (--watch-namespace)."
            ))
        }
        None => Finding::warning(format!("No operator has looked at connection {name} yet.")),
    }];
    findings.extend(find(SOURCES_READY).map(|sources| match (sources.status.as_str(), sources.reason.as_str()) {
        ("True", "PlaintextCredentials") => Finding::warning(format!("Connection {name}: {}", sources.message)),
        ("True", _) => Finding::ok(format!("Connection {name}: {}", sources.message)),
        _ => Finding::problem(format!("Connection {name}: {}", sources.message)),
    }));
    findings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::{super::Level, *};

    fn connection(name: &str, conditions: &[(&str, &str, &str)]) -> MilvusConnection {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(type_, status, reason)| {
                json!({ "type": type_, "status": status, "reason": reason, "message": format!("{reason} is told."),
                    "lastTransitionTime": "2026-11-26T12:00:00Z" })
            })
            .collect();
        serde_json::from_value(json!({
            "metadata": { "name": name, "namespace": "shop", "creationTimestamp": "2026-11-26T12:00:00Z" },
            "spec": { "address": "http://milvus:19530" }, "status": { "observedGeneration": -1, "conditions": conditions },
        }))
        .unwrap()
    }

    fn found(connection: &MilvusConnection, now: &str) -> Vec<(Level, String)> {
        of(connection, now.parse().unwrap()).into_iter().map(|finding| (finding.level, finding.message)).collect()
    }

    #[test]
    fn a_connection_is_as_its_conditions_say() {
        let now = "2026-11-26T12:00:30Z";
        let ready = ("Ready", "True", "Connected");
        for (conditions, level) in [
            (&[ready][..], Level::Ok),
            (&[("Ready", "False", "Unreachable")], Level::Problem),
            (&[ready, ("SourcesReady", "False", "SecretNotFound")], Level::Problem),
            (&[ready, ("SourcesReady", "True", "PlaintextCredentials")], Level::Warning),
            (&[ready, ("SourcesReady", "True", "Resolved")], Level::Ok),
            (&[], Level::Warning),
        ] {
            let found = found(&connection("a", conditions), now);
            assert_eq!(found.iter().map(|(level, _)| *level).max(), Some(level), "{found:?}");
        }
        let ignored = found(&connection("a", &[]), "2026-11-26T12:05:00Z");
        assert!(
            matches!(ignored.as_slice(), [(Level::Problem, message)] if message.contains("--watch-namespace")),
            "{ignored:?}"
        );
    }

    #[test]
    fn a_connection_that_is_named_and_not_there_is_told_once() {
        let refreshes: Vec<ExternalCollectionRefresh> = ["a", "b", "c", "d"]
            .iter()
            .map(|name| {
                serde_json::from_value(json!({ "metadata": { "name": name, "namespace": "shop" },
                    "spec": { "collectionName": "products", "connectionRef": { "name": "gone" } } }))
                .unwrap()
            })
            .collect();
        let found = examine(&[], &refreshes, Some("shop"), "2026-11-26T12:00:00Z".parse().unwrap());
        let [finding] = found.as_slice() else { unreachable!("{found:?}") };
        assert!(finding.level == Level::Problem, "{finding:?}");
        assert!(finding.message.contains("shop/gone, which shop/a, shop/b, shop/c and 1 more"), "{finding:?}");
        let none = examine(&[], &[], None, Timestamp::UNIX_EPOCH);
        assert!(matches!(none.as_slice(), [finding] if finding.level == Level::Warning), "{none:?}");
    }
}
