//! What the API server shows, for other programs.

use std::io::{self, Write};

use kube::{ResourceExt, core::DynamicObject};
use serde::Serialize;

use crate::{
    cli::{List, Output, Status},
    cluster::{Cluster, Listing},
    exit::Exit,
    problem::Problem,
};

/// Prints one value.
///
/// # Errors
/// Nobody reads on, or the disk is full.
pub fn print(value: &impl Serialize, format: Output) -> Result<(), Problem> {
    let text = match format {
        Output::Yaml => yaml(value)?,
        Output::Json | Output::Name | Output::Wide => json(value)? + "\n",
    };
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

/// Prints one refresh.
///
/// # Errors
/// It cannot be had, nobody reads on, or the disk is full.
pub async fn one(cluster: &Cluster, args: &Status, format: Output) -> Result<Exit, Problem> {
    if args.watch {
        return Err(Problem::usage(
            "--watch does not go with -o; to watch an object: kubectl get ecrefresh NAME -w -o json",
        ));
    }
    let mut object = cluster.whole(&args.name).await?;
    object.metadata.managed_fields = None;
    print(&object, format)?;
    Ok(Exit::Ok)
}

/// Prints a list, page by page: no more than one page is in memory.
///
/// # Errors
/// A page cannot be had, nobody reads on, or the disk is full.
pub async fn list(cluster: &Cluster, list: &List, format: Output) -> Result<Exit, Problem> {
    if list.watch {
        return Err(Problem::usage(
            "--watch goes with the table and -o wide; to watch objects: kubectl get ecrefresh -w -o json",
        ));
    }
    let mut out = io::BufWriter::new(io::stdout());
    let mut pages = Listing::whole(cluster, list.selector.as_deref());
    let mut first = true;
    let mut begun = false;
    while let Some(page) = pages.next().await? {
        if !std::mem::replace(&mut begun, true) {
            out.write_all(head(format).as_bytes())?;
        }
        for mut object in page {
            // As kubectl: of no use to a reader, and longer than the rest.
            object.metadata.managed_fields = None;
            let before = if std::mem::take(&mut first) { "" } else { separator(format) };
            write!(out, "{before}{}", item(&object, format)?)?;
        }
    }
    out.write_all(tail(format, first).as_bytes())?;
    out.flush()?;
    Ok(Exit::Ok)
}

fn head(format: Output) -> &'static str {
    match format {
        Output::Json => "{\n    \"apiVersion\": \"v1\",\n    \"items\": [",
        Output::Yaml => "apiVersion: v1\nkind: List\nmetadata:\n  resourceVersion: \"\"\nitems:",
        Output::Name | Output::Wide => "",
    }
}

fn separator(format: Output) -> &'static str {
    match format {
        Output::Json => ",",
        Output::Yaml | Output::Name | Output::Wide => "",
    }
}

fn item(object: &DynamicObject, format: Output) -> Result<String, Problem> {
    Ok(match format {
        Output::Json => format!("\n{}", indented(&json(object)?, 8)),
        // A list of one, behind those before it.
        Output::Yaml => format!("\n{}", yaml(&[object])?.trim_end()),
        Output::Name | Output::Wide => format!("externalcollectionrefresh.milvus-refresh.dev/{}\n", object.name_any()),
    })
}

fn tail(format: Output, empty: bool) -> &'static str {
    match (format, empty) {
        (Output::Json, false) => {
            "\n    ],\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n"
        }
        (Output::Json, true) => {
            "],\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n"
        }
        (Output::Yaml, false) => "\n",
        (Output::Yaml, true) => " []\n",
        (Output::Name | Output::Wide, _) => "",
    }
}

/// Indented as kubectl does it.
fn json(value: &impl Serialize) -> Result<String, Problem> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    value.serialize(&mut serializer).map_err(|error| unprintable(&error))?;
    String::from_utf8(text).map_err(|error| unprintable(&error))
}

fn yaml(value: &impl Serialize) -> Result<String, Problem> {
    serde_saphyr::to_string(value).map_err(|error| unprintable(&error))
}

fn unprintable(error: &dyn std::error::Error) -> Problem {
    Problem::new(Exit::Failed, format!("The answer cannot be printed: {error}."))
}

fn indented(text: &str, columns: usize) -> String {
    let indent = " ".repeat(columns);
    let lines: Vec<_> = text.lines().map(|line| format!("{indent}{line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn printed(objects: &[Value], format: Output) -> String {
        let items = objects.iter().map(|object| {
            let object: DynamicObject = serde_json::from_value(object.clone()).unwrap();
            item(&object, format).unwrap()
        });
        let items: Vec<_> = items.collect();
        format!("{}{}{}", head(format), items.join(separator(format)), tail(format, objects.is_empty()))
    }

    #[test]
    fn pages_make_up_one_list_that_others_can_read() {
        let object = |name: &str| {
            json!({
                "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
                "metadata": { "name": name }, "spec": { "collectionName": "a: b\n- c" },
            })
        };
        for objects in [vec![], vec![object("a")], vec![object("a"), object("b")]] {
            let expected =
                json!({ "apiVersion": "v1", "kind": "List", "metadata": { "resourceVersion": "" }, "items": objects });
            assert_eq!(serde_json::from_str::<Value>(&printed(&objects, Output::Json)).unwrap(), expected);
            assert_eq!(serde_saphyr::from_str::<Value>(&printed(&objects, Output::Yaml)).unwrap(), expected);
        }
        let names = "externalcollectionrefresh.milvus-refresh.dev/a\nexternalcollectionrefresh.milvus-refresh.dev/b\n";
        assert_eq!(printed(&[object("a"), object("b")], Output::Name), names);
    }
}
