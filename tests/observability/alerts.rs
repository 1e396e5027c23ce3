//! The alerts: each fires when it should and not before, and has a page that says what to do.

use std::{collections::BTreeSet, fs, path::Path};

use crate::prometheus::{promtool, said};

const ALERTS: &str = "charts/milvus-refresh-operator/files/alerts.yaml";

/// What stands behind `key` on the lines of a file of the project.
fn values(file: &str, key: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key))
        .map(|value| value.trim().to_owned())
        .collect()
}

#[test]
fn the_alerts_are_valid_and_fire_when_they_should() {
    let checked = promtool(&["check", "rules", "--lint=all", "--lint-fatal", ALERTS], None);
    assert!(checked.status.success(), "{}", said(&checked));
    let mut tested = BTreeSet::new();
    for alert in values(ALERTS, "alert:") {
        let file = format!("tests/observability/rules/{alert}.yaml");
        let outcome = promtool(&["test", "rules", &file], None);
        assert!(outcome.status.success(), "{}", said(&outcome));
        // A test of an alert that never fires, or that always does, proves nothing.
        let fires: Vec<bool> = values(&file, "exp_alerts:").iter().map(|alerts| alerts != "[]").collect();
        assert!(fires.contains(&true) && fires.contains(&false), "{file}: {fires:?}");
        assert!(values(&file, "alertname:").iter().all(|name| *name == alert), "{file}");
        tested.insert(file);
    }
    assert_eq!(tested.len(), 9);
}

#[test]
fn each_alert_has_a_runbook_and_each_runbook_an_alert() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (alerts, urls) = (values(ALERTS, "alert:"), values(ALERTS, "runbook_url:"));
    assert_eq!(alerts.len(), urls.len());
    for (alert, url) in alerts.iter().zip(urls) {
        let (_, page) = url.split_once("/blob/main/").unwrap_or_else(|| panic!("{url} is no page of the project"));
        assert_eq!(page, format!("docs/runbooks/{alert}.md"));
        let text = fs::read_to_string(root.join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.starts_with(&format!("# {alert}\n")), "{page}");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(root.join("docs/runbooks").join(link).exists(), "{page} links to {link}");
        }
    }
    assert_eq!(fs::read_dir(root.join("docs/runbooks")).unwrap().count(), alerts.len());
}
