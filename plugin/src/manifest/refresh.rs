//! A refresh.

use std::fs;

use serde_json::{Value, json};

use super::{Fields, manifest};
use crate::{
    cli::{Create, Verify},
    problem::Problem,
};

/// The manifest that the flags mean.
///
/// # Errors
/// A file that they name cannot be read.
pub fn refresh(flags: &Create, namespace: Option<&str>) -> Result<Value, Problem> {
    let mut spec = Fields::default();
    spec.set("collectionName", flags.collection.clone().unwrap_or_else(|| flags.name.replace('-', "_")))
        .set_some("databaseName", flags.database.clone())
        .set_some("connectionRef", flags.connection.as_ref().map(|name| json!({ "name": name })))
        .set_some("externalSource", flags.source.clone());
    if let Some(file) = &flags.spec_file {
        let text = fs::read_to_string(file)
            .map_err(|error| Problem::usage(format!("--spec-file {} cannot be read: {error}.", file.display())))?;
        spec.set("externalSpec", text.trim_end());
    }
    let secret = flags.spec_secret.as_ref();
    spec.set_some(
        "externalSpecFrom",
        secret.map(|(name, key)| json!({ "secretKeyRef": { "name": name, "key": key } })),
    );
    spec.set_some("trigger", flags.trigger.clone())
        .set_some("runOnCreation", flags.no_run_on_creation.then_some(false))
        .set_if("suspend", flags.suspend)
        .set_filled("schedule", schedule(flags))
        .set_some("watch", watch(flags))
        .set_filled("verify", verify(flags))
        .set_some("activeJobPolicy", flags.adopt.then_some("Adopt"))
        .set_seconds("startingDeadlineSeconds", flags.starting_deadline)
        .set_seconds("activeDeadlineSeconds", flags.active_deadline)
        .set_some("backoffLimit", flags.backoff_limit)
        .set_seconds("ttlSecondsAfterFinished", flags.ttl);
    Ok(manifest("ExternalCollectionRefresh", &flags.name, namespace, spec))
}

fn schedule(flags: &Create) -> Fields {
    let mut schedule = Fields::default();
    schedule
        .set_some("cron", flags.schedule.clone())
        .set_some("timeZone", flags.time_zone.clone())
        .set_seconds("jitterSeconds", flags.jitter);
    schedule
}

fn watch(flags: &Create) -> Option<Value> {
    if let Some((catalog, table)) = &flags.watch_table {
        let mut iceberg = Fields::default();
        iceberg.set("catalog", catalog.as_str()).set("table", table.as_str()).set_some("ref", flags.reference.clone());
        return Some(json!({ "iceberg": iceberg.0 }));
    }
    let mut objects = Fields::default();
    objects
        .set_some("include", Some(flags.include.clone()).filter(|patterns| !patterns.is_empty()))
        .set_some("marker", flags.marker.clone());
    flags.watch.then(|| json!({ "objects": objects.0 }))
}

fn verify(flags: &Create) -> Fields {
    let mut verify = Fields::default();
    let policy = flags.verify.map(|policy| match policy {
        Verify::Report => "Report",
        Verify::Require => "Require",
    });
    verify.set_some("policy", policy).set_some("rows", flags.min_rows.map(|min| json!({ "min": min })));
    verify
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn spec(args: &[&str]) -> Value {
        let cli = Cli::try_parse_from([&["kubectl-ecrefresh", "create", "my-products"], args].concat()).unwrap();
        let Some(Command::Create(flags)) = cli.command else { panic!() };
        let mut made = refresh(&flags, Some("shop")).unwrap();
        assert_eq!(made["metadata"], json!({ "name": "my-products", "namespace": "shop" }));
        made["spec"].take()
    }

    #[test]
    fn what_is_not_asked_for_is_left_out() {
        assert_eq!(spec(&[]), json!({ "collectionName": "my_products" }));
    }

    #[test]
    fn every_flag_has_its_field() {
        let made = spec(&[
            "--collection=orders",
            "--database=shop",
            "--connection=lake",
            "--source=s3://b/p",
            "--spec-secret=s/spec.json",
            "--trigger=a",
            "--no-run-on-creation",
            "--suspend",
            "--schedule=@daily",
            "--time-zone=Europe/Berlin",
            "--jitter=10m",
            "--watch",
            "--include=*.parquet",
            "--include=*.orc",
            "--marker=_SUCCESS",
            "--verify=require",
            "--min-rows=5",
            "--adopt",
            "--starting-deadline=1h",
            "--active-deadline=1500ms",
            "--backoff-limit=0",
            "--ttl=1h",
        ]);
        let expected = json!({
            "collectionName": "orders", "databaseName": "shop", "connectionRef": { "name": "lake" },
            "externalSource": "s3://b/p", "externalSpecFrom": { "secretKeyRef": { "name": "s", "key": "spec.json" } },
            "trigger": "a", "runOnCreation": false, "suspend": true,
            "schedule": { "cron": "@daily", "timeZone": "Europe/Berlin", "jitterSeconds": 600 },
            "watch": { "objects": { "include": ["*.parquet", "*.orc"], "marker": "_SUCCESS" } },
            "verify": { "policy": "Require", "rows": { "min": 5 } }, "activeJobPolicy": "Adopt",
            "startingDeadlineSeconds": 3600, "activeDeadlineSeconds": 2, "backoffLimit": 0, "ttlSecondsAfterFinished": 3600,
        });
        assert_eq!(made, expected);
        let table = spec(&["--watch-table=lake/shop.products", "--ref=audit"]);
        assert_eq!(
            table["watch"],
            json!({ "iceberg": { "catalog": "lake", "table": "shop.products", "ref": "audit" } })
        );
    }
}
