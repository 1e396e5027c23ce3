//! Arbitrary ways to watch a source, and what is seen and recorded of one.

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::{super::watch as files, time_text};
use crate::{
    catalogs::Table,
    refresh::{LastLook, Scouted, Watch},
    scout::{BlindReason, Sight},
};

/// One of few ways to watch.
pub fn watch() -> impl Strategy<Value = Watch> {
    let watches = [
        json!({ "objects": {}, "quietSeconds": 0 }),
        json!({ "objects": { "marker": "_SUCCESS" } }),
        json!({ "iceberg": { "catalog": "lake", "table": "shop.products" } }),
    ];
    select(watches.map(|watch| files::desired(json!({ "watch": watch })).watch.expect("a watch")).to_vec())
}

/// What was seen of the source.
pub fn scouted() -> impl Strategy<Value = Scouted> {
    let waited = option::weighted(0.2, select(vec![Duration::ZERO, Duration::from_secs(40)]));
    (option::weighted(0.7, last_look()), waited).prop_map(|(last, waited)| Scouted { last, waited })
}

pub fn last_look() -> BoxedStrategy<LastLook> {
    let table = |(snapshot, pinned_is_gone)| {
        let metadata_location = format!("s3://lake/{snapshot}.json");
        Sight::Table { source: metadata_location.clone(), table: Table { metadata_location, snapshot, pinned_is_gone } }
    };
    let reasons = vec![BlindReason::CheckFailed, BlindReason::NotAllowed, BlindReason::ListingTooLarge];
    let found = prop_oneof![
        3 => (0..4_u8, 0..3_u8).prop_map(|(names, contents)| files::saw(files::files(names, contents))),
        2 => (0..3_i64, any::<bool>()).prop_map(table).prop_map(Ok),
        1 => select(reasons).prop_map(files::blind),
    ];
    (select(vec![0_u64, 40, 600]), found)
        .prop_map(|(age, found)| LastLook {
            age: Duration::from_secs(age),
            failures: u32::from(found.is_err()) * 2,
            found,
        })
        .boxed()
}

/// What a status says of a watched source.
pub fn watched() -> BoxedStrategy<Value> {
    let version = || option::weighted(0.8, select(vec!["", "0", "1", "02020202020202020202020202020202", "02-03"]));
    let look = (time_text(), 0..3_i64, -1..4_i64);
    let rewritten = option::weighted(0.3, (0..3_i64, vec(select(vec!["a", "b"]), 0..2), time_text()));
    let times = (time_text(), time_text(), time_text());
    (option::weighted(0.8, watch()), version(), version(), look, rewritten, times).prop_map(
        |(watch, observed, refreshed, (time, content, objects), rewritten, (since, changed, pending))| {
            json!({
                "fingerprint": watch.map_or_else(|| "v1:other".to_owned(), |watch| watch.fingerprint), "since": since,
                "observedVersion": observed, "contentVersion": content.to_string(), "changedTime": changed,
                "objects": objects, "bytes": objects, "refreshedVersion": refreshed,
                "refreshed": { "time": time, "contentVersion": content.to_string(), "objects": 3 - content, "bytes": 3 },
                "pendingSince": pending,
                "rewritten": rewritten.map(|(count, names, since)| json!({ "count": count, "names": names, "since": since })),
            })
        },
    )
    .boxed()
}
