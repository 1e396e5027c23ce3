//! Every state, each engine's verdict, and the tables of the page that tells both.

use std::{collections::BTreeSet, fmt::Write, fs};

use milvus_refresh_operator::refresh::FreshReason;
use serde_json::{Value, json};

use crate::{
    album::{CONNECTION, Picture, REFRESH},
    customizations,
    engines::{ArgoCd, Flux, judge},
    scenes,
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/gitops.md");

/// Set to write what is compared otherwise.
pub fn writes() -> bool {
    std::env::var_os("WRITE_GITOPS").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_engine_shows_every_state_that_the_operator_writes_as_the_page_says() {
    let pictures = scenes::all().await;
    let objects: Vec<Value> = pictures.iter().map(|picture| picture.object.clone()).collect();
    let verdicts = tokio::task::spawn_blocking(move || judge(&objects)).await.unwrap();
    let judged: Vec<(Picture, (Flux, ArgoCd))> = pictures.into_iter().zip(verdicts).collect();
    for (picture, (flux, argo_cd)) in &judged {
        agree(picture, flux, argo_cd);
    }
    if writes() {
        customizations::keep(&judged);
    }
    assert_conditions_are_all_met(&judged);
    let page = fs::read_to_string(PAGE).unwrap();
    let mut told = page.clone();
    for kind in [REFRESH, CONNECTION] {
        told = with_table(&told, kind, &table(kind, &judged));
    }
    if writes() {
        fs::write(PAGE, &told).unwrap();
    }
    assert!(page == told || writes(), "docs/gitops.md differs; WRITE_GITOPS=1 writes this:\n{told}");
}

/// What must hold in any state.
fn agree(picture: &Picture, flux: &Flux, argo_cd: &ArgoCd) {
    let Picture { state, object } = picture;
    let alike = match argo_cd.status.as_str() {
        "Healthy" => "Current",
        "Progressing" => "InProgress",
        "Degraded" => "Failed",
        other => panic!("{state}: {other} is no health that we know"),
    };
    assert_eq!(alike, flux.expressions, "{state}: Argo CD and Flux' expressions differ on {object:#}");
    // kstatus knows no annotations, and has a word of its own for what is being deleted.
    let own_word = state.contains("requested by annotation") || flux.kstatus == "Terminating";
    if !own_word {
        assert_eq!(flux.kstatus, flux.expressions, "{state}: kstatus and the expressions differ on {object:#}");
    }
    assert!(!argo_cd.message.trim().is_empty(), "{state}: there is no message");
    if picture.kind() == CONNECTION {
        return assert!(argo_cd.actions.is_empty());
    }
    let patch = |action: &str| &argo_cd.actions[action].patch;
    let requested = json!({ "metadata": { "annotations": { "milvus-refresh.dev/requestedAt":
        patch("refresh")["metadata"]["annotations"]["milvus-refresh.dev/requestedAt"] } } });
    assert_eq!(*patch("refresh"), requested, "{state}");
    let set = |suspend: bool| json!({ "spec": { "suspend": suspend } });
    let suspended = object["spec"]["suspend"] == true;
    let (suspends, resumes) = if suspended { (json!({}), set(false)) } else { (set(true), json!({})) };
    assert_eq!((patch("suspend"), patch("resume")), (&suspends, &resumes), "{state}");
}

/// Each reason that the guide lists is on some picture, so that none can be added and forgotten here.
fn assert_conditions_are_all_met(judged: &[(Picture, (Flux, ArgoCd))]) {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/user-guide.md")).unwrap();
    let rows = guide.lines().filter(|line| line.starts_with("| Unknown | `") || line.starts_with("| True | `"));
    let listed: BTreeSet<String> = rows.filter_map(|row| Some(row.split('`').nth(1)?.to_owned())).collect();
    assert!(listed.len() > 10, "the guide's table of reasons has another form now: {listed:?}");
    let met = |type_: &str| -> BTreeSet<String> {
        let shown = judged.iter().map(|(picture, _)| condition(&picture.object, type_));
        shown.filter_map(|shown| Some(shown.split_once(' ')?.1.to_owned())).collect()
    };
    let unmet: Vec<String> = listed.difference(&met("Ready")).cloned().collect();
    assert!(unmet.is_empty(), "no scene brings an object into {unmet:?}");
    let of_sources: BTreeSet<String> = FreshReason::ALL.map(|reason| reason.as_str().to_owned()).into();
    assert_eq!(met("SourceFresh"), of_sources);
    let unusable = judged.iter().any(|(picture, _)| condition(&picture.object, "SourcesReady").starts_with("False"));
    assert!(unusable, "no scene brings a connection into SourcesReady=False");
}

/// Status and reason of a condition.
fn condition(object: &Value, type_: &str) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.and_then(|list| list.iter().find(|condition| condition["type"] == type_));
    let text = |field: &str| found.map(|found| found[field].as_str().unwrap().to_owned());
    text("status").map_or_else(|| "absent".to_owned(), |status| format!("{status} {}", text("reason").unwrap()))
}

fn table(kind: &str, judged: &[(Picture, (Flux, ArgoCd))]) -> String {
    let with_actions = kind == REFRESH;
    let mut table = "| state | `Ready` | kstatus | Flux with our expressions | Argo CD |".to_owned();
    table += if with_actions { " its actions |\n|---|---|---|---|---|---|\n" } else { "\n|---|---|---|---|---|\n" };
    for (picture, (flux, argo_cd)) in judged.iter().filter(|(picture, _)| picture.kind() == kind) {
        let (state, ready) = (picture.state, condition(&picture.object, "Ready"));
        let Flux { kstatus, expressions } = flux;
        write!(table, "| {state} | {ready} | {kstatus} | {expressions} | {} |", argo_cd.status).unwrap();
        if with_actions {
            write!(table, " {} |", argo_cd.offers().join(", ")).unwrap();
        }
        table.push('\n');
    }
    table
}

/// The page with this table between its marks.
fn with_table(page: &str, kind: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- states of {kind}, written by a test -->\n"), "<!-- end -->");
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("{PAGE} has no {begin}"));
    let (_, after) = rest.split_once(end).unwrap();
    format!("{before}{begin}\n{table}\n{end}{after}")
}
