//! Whether what was written for the last release, in `tests/released/crds`, is still accepted and means the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::{Value, json};

use super::crds;

/// What looks like a break of this release, and why it may be. Emptied when a release is recorded; what people have to do
/// something about is told in `docs/upgrading.md` too.
const REVIEWED: [(&str, &str); 8] = [
    (
        "ExternalCollectionRefresh.v1alpha1.spec has a new rule: has(self.watch) && has(self.watch.iceberg) ? \
         !has(self.externalSource) && !(has(self.externalSpec) && has(self.externalSpecFrom)) : has(self.externalSource) ? \
         has(self.externalSpec) != has(self.externalSpecFrom) : !has(self.externalSpec) && !has(self.externalSpecFrom)",
        "speaks of new fields only",
    ),
    (
        "ExternalCollectionRefresh.v1alpha1.spec has a new rule: !has(self.schedule) || !has(self.ttlSecondsAfterFinished)",
        "schedule is new",
    ),
    (
        "ExternalCollectionRefresh.v1alpha1.spec has a new rule: !has(self.watch) || !has(self.ttlSecondsAfterFinished)",
        "watch is new",
    ),
    (
        "ExternalCollectionRefresh.v1alpha1.spec has a new rule: !has(self.verify) || \
         !has(self.verify.recheckIntervalSeconds) || !has(self.ttlSecondsAfterFinished)",
        "verify is new",
    ),
    ("ExternalCollectionRefresh.v1alpha1.status.run.fingerprint has another default", "absent is read as empty"),
    (
        "MilvusConnection.v1alpha1.spec has a new rule: has(self.address) != has(self.milvusRef)",
        "the address was required, and milvusRef is new",
    ),
    (
        "MilvusConnection.v1alpha1.spec has a new rule: \
         !has(self.tls) || !has(self.address) || self.address.startsWith('https://')",
        "tls is new",
    ),
    (
        r"MilvusConnection.v1alpha1.spec.address has a new rule: self.matches('^https?://([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$')",
        "wider by https",
    ),
];

/// Keywords whose values may grow only, or shrink only.
const UPPER_BOUNDS: [&str; 4] = ["maximum", "maxLength", "maxItems", "maxProperties"];
const LOWER_BOUNDS: [&str; 4] = ["minimum", "minLength", "minItems", "minProperties"];
/// Keywords whose values stay as they are: how values are stored, merged and completed.
const FIXED: [&str; 6] =
    ["type", "format", "default", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"];

/// What `new` no longer takes, or takes otherwise, of what `old` took.
fn breaks_of_schema(path: &str, old: &Value, new: &Value, breaks: &mut Vec<String>) {
    if new.is_null() {
        breaks.push(format!("{path} is gone"));
        return;
    }
    let bound = |schema: &Value, keyword: &str| schema[keyword].as_f64();
    for keyword in UPPER_BOUNDS {
        if bound(new, keyword).is_some_and(|new| bound(old, keyword).is_none_or(|old| new < old)) {
            breaks.push(format!("{path} has a smaller {keyword}"));
        }
    }
    for keyword in LOWER_BOUNDS {
        if bound(new, keyword).is_some_and(|new| bound(old, keyword).is_none_or(|old| new > old)) {
            breaks.push(format!("{path} has a greater {keyword}"));
        }
    }
    for keyword in FIXED.into_iter().filter(|keyword| old[*keyword] != new[*keyword]) {
        breaks.push(format!("{path} has another {keyword}"));
    }
    if !new["pattern"].is_null() && new["pattern"] != old["pattern"] {
        breaks.push(format!("{path} has another pattern"));
    }
    if !new["enum"].is_null() && (old["enum"].is_null() || !all_in(&old["enum"], &new["enum"])) {
        breaks.push(format!("{path} takes fewer values"));
    }
    if !all_in(&new["required"], &old["required"]) {
        breaks.push(format!("{path} requires more"));
    }
    for permission in ["nullable", "x-kubernetes-preserve-unknown-fields"] {
        if old[permission] == true && new[permission] != true {
            breaks.push(format!("{path} is no longer {permission}"));
        }
    }
    for rule in list(&new["x-kubernetes-validations"]) {
        if !list(&old["x-kubernetes-validations"]).iter().any(|old| old["rule"] == rule["rule"]) {
            breaks.push(format!("{path} has a new rule: {}", rule["rule"].as_str().unwrap()));
        }
    }
    for (name, property) in old["properties"].as_object().into_iter().flatten() {
        breaks_of_schema(&format!("{path}.{name}"), property, &new["properties"][name], breaks);
    }
    for inside in ["items", "additionalProperties"] {
        if !old[inside].is_null() {
            breaks_of_schema(&format!("{path}[]"), &old[inside], &new[inside], breaks);
        }
    }
}

/// What `new` no longer offers of a CRD, or offers otherwise.
fn breaks_of_crd(old: &Value, new: &Value) -> Vec<String> {
    let (old, new) = (&old["spec"], &new["spec"]);
    let mut breaks = Vec::new();
    let kind = old["names"]["kind"].as_str().unwrap();
    for (what, old, new) in [
        ("group", &old["group"], &new["group"]),
        ("scope", &old["scope"], &new["scope"]),
        ("kind", &old["names"]["kind"], &new["names"]["kind"]),
        ("plural", &old["names"]["plural"], &new["names"]["plural"]),
    ] {
        if old != new {
            breaks.push(format!("{kind} has another {what}"));
        }
    }
    for names in ["shortNames", "categories"] {
        if !all_in(&old["names"][names], &new["names"][names]) {
            breaks.push(format!("{kind} has fewer {names}"));
        }
    }
    for old in list(&old["versions"]) {
        let path = format!("{kind}.{}", old["name"].as_str().unwrap());
        let Some(new) = list(&new["versions"]).iter().find(|new| new["name"] == old["name"]) else {
            breaks.push(format!("{path} is gone"));
            continue;
        };
        if old["served"] == true && new["served"] != true {
            breaks.push(format!("{path} is no longer served"));
        }
        if old["subresources"] != new["subresources"] {
            breaks.push(format!("{path} has other subresources"));
        }
        if !all_in(&old["selectableFields"], &new["selectableFields"]) {
            breaks.push(format!("{path} can be selected by less"));
        }
        let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
        breaks_of_schema(&path, &schema(old), &schema(new), &mut breaks);
    }
    breaks
}

/// A JSON list, empty when there is none.
fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn all_in(some: &Value, more: &Value) -> bool {
    list(some).iter().all(|item| list(more).contains(item))
}

/// The CRDs of the last release, each beside that of now.
fn pairs() -> Vec<(Value, Value)> {
    let pair = |new: Value| {
        let plural = new["spec"]["names"]["plural"].as_str().unwrap();
        let path = format!("{}/tests/released/crds/{plural}.yaml", env!("CARGO_MANIFEST_DIR"));
        let released = std::fs::read_to_string(&path).ok()?;
        Some((serde_saphyr::from_str(&released).unwrap(), new))
    };
    crds().into_iter().map(|crd| serde_json::to_value(crd).unwrap()).filter_map(pair).collect()
}

#[test]
fn what_was_written_for_the_last_release_is_still_accepted() {
    let folder = format!("{}/tests/released/crds", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(pairs().len(), std::fs::read_dir(folder).unwrap().count(), "no CRD is gone");
    let breaks: Vec<String> = pairs().iter().flat_map(|(old, new)| breaks_of_crd(old, new)).collect();
    let reviewed = REVIEWED.map(|(finding, _)| finding);
    assert_eq!(
        breaks, reviewed,
        "undo it, or say in REVIEWED why it may be and in docs/upgrading.md what to do about it"
    );
}

#[test]
fn a_release_is_compatible_with_itself() {
    for (old, new) in pairs() {
        assert_eq!(breaks_of_crd(&old, &old), [""; 0]);
        assert_eq!(breaks_of_crd(&new, &new), [""; 0]);
    }
}

#[test]
fn every_way_to_break_a_schema_is_noticed() {
    let old = json!({
        "type": "object", "required": ["name"], "default": { "name": "a" },
        "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 9, "enum": ["a", "b"], "nullable": true },
            "free": { "type": "string" },
            "list": { "type": "array", "items": { "type": "integer", "format": "int64" }, "x-kubernetes-list-type": "set" },
            "open": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        },
    });
    let table = [
        ("/required", json!(["name", "free"]), "x requires more"),
        ("/default", json!({ "name": "b" }), "x has another default"),
        ("/properties/name", Value::Null, "x.name is gone"),
        ("/properties/name/minLength", json!(2), "x.name has a greater minLength"),
        ("/properties/name/maxLength", json!(8), "x.name has a smaller maxLength"),
        ("/properties/name/enum", json!(["a", "c"]), "x.name takes fewer values"),
        ("/properties/name/nullable", json!(false), "x.name is no longer nullable"),
        ("/properties/free/type", json!("integer"), "x.free has another type"),
        ("/properties/free/enum", json!(["a"]), "x.free takes fewer values"),
        ("/properties/free/maxLength", json!(1), "x.free has a smaller maxLength"),
        ("/properties/free/pattern", json!("^a"), "x.free has another pattern"),
        ("/properties/free/default", json!("a"), "x.free has another default"),
        ("/properties/free/x-kubernetes-validations", json!([{ "rule": "r" }]), "x.free has a new rule: r"),
        ("/properties/list/items/format", json!("int32"), "x.list[] has another format"),
        ("/properties/list/maxItems", json!(3), "x.list has a smaller maxItems"),
        ("/properties/list/x-kubernetes-list-type", json!("atomic"), "x.list has another x-kubernetes-list-type"),
        (
            "/properties/open/x-kubernetes-preserve-unknown-fields",
            json!(false),
            "x.open is no longer x-kubernetes-preserve-unknown-fields",
        ),
    ];
    for (at, value, expected) in table {
        let mut breaks = Vec::new();
        breaks_of_schema("x", &old, &with(&old, at, value), &mut breaks);
        assert_eq!(breaks, [expected], "{at}");
    }
}

#[test]
fn what_only_widens_a_schema_is_no_break() {
    let old = json!({
        "required": ["name"],
        "properties": { "name": { "type": "string", "maxLength": 9, "enum": ["a"], "x-kubernetes-validations": [{ "rule": "r" }] } },
    });
    let table = [
        ("/required", json!([])),
        ("/properties/name/maxLength", json!(10)),
        ("/properties/name/enum", json!(["a", "b"])),
        ("/properties/name/x-kubernetes-validations", json!([])),
        ("/properties/name/description", json!("A name.")),
        ("/properties/another", json!({ "type": "string", "maxLength": 1 })),
    ];
    for (at, value) in table {
        let mut breaks = Vec::new();
        breaks_of_schema("x", &old, &with(&old, at, value), &mut breaks);
        assert_eq!(breaks, [""; 0], "{at}");
    }
}

#[test]
fn every_way_to_break_a_crd_is_noticed() {
    let old = json!({ "spec": {
        "group": "g", "scope": "Namespaced",
        "names": { "kind": "Thing", "plural": "things", "shortNames": ["t"], "categories": ["c"] },
        "versions": [{
            "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
            "selectableFields": [{ "jsonPath": ".spec.a" }], "schema": { "openAPIV3Schema": { "type": "object" } },
        }],
    } });
    let table = [
        ("/spec/group", json!("h"), "Thing has another group"),
        ("/spec/scope", json!("Cluster"), "Thing has another scope"),
        ("/spec/names/kind", json!("Other"), "Thing has another kind"),
        ("/spec/names/plural", json!("others"), "Thing has another plural"),
        ("/spec/names/shortNames", json!([]), "Thing has fewer shortNames"),
        ("/spec/names/categories", json!([]), "Thing has fewer categories"),
        ("/spec/versions", json!([]), "Thing.v1 is gone"),
        ("/spec/versions/0/served", json!(false), "Thing.v1 is no longer served"),
        ("/spec/versions/0/subresources", json!({}), "Thing.v1 has other subresources"),
        ("/spec/versions/0/selectableFields", json!([]), "Thing.v1 can be selected by less"),
        ("/spec/versions/0/schema/openAPIV3Schema/type", json!("string"), "Thing.v1 has another type"),
    ];
    for (at, value, expected) in table {
        assert_eq!(breaks_of_crd(&old, &with(&old, at, value)), [expected], "{at}");
    }
}

/// `value` with another value at a JSON pointer.
fn with(value: &Value, pointer: &str, replacement: Value) -> Value {
    let mut value = value.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = replacement,
        parent => parent[key] = replacement,
    }
    value
}
