//! The table of values in the chart's README, made from the comments in `values.yaml`.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::CHART;

const BEGIN: &str = "<!-- values: made from values.yaml by `make chart-docs` -->\n";
const END: &str = "<!-- end of values -->";

/// Where the README is.
pub const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/milvus-refresh-operator/README.md");

/// The README with the table that belongs into it.
///
/// # Errors
/// `values.yaml` or the README cannot be read, a value has no comment, or the README has lost its marks.
pub fn readme() -> Result<String> {
    let readme = fs::read_to_string(README)?;
    let marks = "the README has lost the marks of its table of values";
    let (before, rest) = readme.split_once(BEGIN).context(marks)?;
    let (_, after) = rest.split_once(END).context(marks)?;
    let table = table(&fs::read_to_string(format!("{CHART}/values.yaml"))?)?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

/// The table: a row for each value that has a comment right above it.
///
/// # Errors
/// A value has no comment, nor has one that it is a part of; or the text is no YAML.
pub fn table(values: &str) -> Result<String> {
    let defaults: Value = serde_saphyr::from_str(values)?;
    let mut table = "| value | default | |\n|---|---|---|\n".to_owned();
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut comment = String::new();
    // How far what belongs to the last documented value is indented, beyond this.
    let mut documented: Option<usize> = None;
    for line in values.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if let Some(words) = text.strip_prefix('#') {
            comment.push_str(words);
            continue;
        }
        let said = std::mem::take(&mut comment);
        if text.is_empty() || documented.is_some_and(|above| indent > above) {
            continue;
        }
        let Some((key, value)) = text.split_once(':') else { continue };
        path.retain(|(above, _)| *above < indent);
        path.push((indent, key));
        let keys: Vec<&str> = path.iter().map(|(_, key)| *key).collect();
        ensure!(!said.is_empty() || value.trim().is_empty(), "{} has no comment in values.yaml", keys.join("."));
        documented = (!said.is_empty()).then_some(indent);
        if documented.is_some() {
            let default = defaults.pointer(&format!("/{}", keys.join("/"))).unwrap_or(&Value::Null);
            table.push_str(&format!("| `{}` | `{default}` | {} |\n", keys.join("."), said.trim()));
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::table;

    #[test]
    fn a_row_holds_path_default_and_comment() {
        let values =
            "# About the file.\n\n# How\n# many.\nworkers: 16\na:\n  # What b is.\n  b:\n    c: [1]\n    d: x\n";
        let rows: Vec<String> = table(values).unwrap().lines().skip(2).map(str::to_owned).collect();
        assert_eq!(rows, ["| `workers` | `16` | How many. |", "| `a.b` | `{\"c\":[1],\"d\":\"x\"}` | What b is. |"]);
    }

    #[test]
    fn a_value_without_a_comment_is_an_error() {
        let error = table("a:\n  b: 1\n").unwrap_err().to_string();
        assert!(error.contains("a.b has no comment"), "{error}");
    }
}
