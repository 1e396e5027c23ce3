//! The fields of the kinds as a page for people, from the schemas that the API server has: `docs/reference.md`.

use std::fmt::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};

use super::crds;

/// The page's part about the kinds, as Markdown.
pub fn kinds() -> String {
    let mut out = String::new();
    for crd in crds() {
        kind(&mut out, &crd);
    }
    out
}

fn kind(out: &mut String, crd: &CustomResourceDefinition) {
    let names = &crd.spec.names;
    let short = names.short_names.iter().flatten().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    for version in &crd.spec.versions {
        // Writing to a string cannot fail.
        let _ = write!(out, "\n## {}\n\n`{}/{}`, short {short}.", names.kind, crd.spec.group, version.name);
        let Some(schema) = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()) else {
            continue;
        };
        let _ = writeln!(out, " {}", line(schema.description.as_deref()));
        for part in ["spec", "status"] {
            let Some(fields) = schema.properties.as_ref().and_then(|properties| properties.get(part)) else { continue };
            let _ = writeln!(out, "\n### {part}\n\n| field | type | default | |\n|---|---|---|---|");
            rows(out, "", fields);
        }
        let selectable: Vec<_> = version.selectable_fields.iter().flatten().collect();
        if !selectable.is_empty() {
            let paths: Vec<_> =
                selectable.iter().map(|field| format!("`{}`", field.json_path.trim_start_matches('.'))).collect();
            let _ = writeln!(out, "\nField selectors: {}.", paths.join(", "));
        }
    }
}

/// A row for each property, those of objects and of lists of objects after that of their own.
fn rows(out: &mut String, path: &str, schema: &JSONSchemaProps) {
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let items = match &field.items {
            Some(JSONSchemaPropsOrArray::Schema(items)) => Some(items.as_ref()),
            Some(JSONSchemaPropsOrArray::Schemas(_)) | None => None,
        };
        let path = format!("{path}{name}{}", if items.is_some() { "[]" } else { "" });
        let default = match &field.default {
            Some(default) => format!("`{}`", default.0),
            None if required.contains(name) => "required".to_owned(),
            None => String::new(),
        };
        let type_ = type_of(items.unwrap_or(field));
        let _ = writeln!(out, "| `{path}` | {type_} | {default} | {} |", line(field.description.as_deref()));
        // A condition looks like everywhere in Kubernetes.
        if name != "conditions" {
            rows(out, &format!("{path}."), items.unwrap_or(field));
        }
    }
}

/// The type with its bounds.
fn type_of(schema: &JSONSchemaProps) -> String {
    let mut words = vec![schema.format.as_ref().or(schema.type_.as_ref()).cloned().unwrap_or_default()];
    if let Some(values) = &schema.enum_ {
        words = values.iter().map(|value| format!("`{}`", value.0.as_str().unwrap_or_default())).collect();
        return words.join(" or ");
    }
    match (schema.minimum, schema.maximum) {
        (Some(least), Some(most)) if most < f64::from(i32::MAX) => words.push(format!("{least} to {most}")),
        (Some(least), _) => words.push(format!("at least {least}")),
        (None, Some(most)) => words.push(format!("at most {most}")),
        (None, None) => {}
    }
    if let Some(length) = schema.max_length {
        words.push(format!("at most {length} characters"));
    }
    words.join(", ")
}

/// A description as one cell of a table.
fn line(text: Option<&str>) -> String {
    text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
