//! docs/performance.md and its pictures, and the table on the screen.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::machine;
use crate::plot;
use crate::reasons::reason;
use crate::results::{Findings, Row};
use crate::scale::Scale;
use crate::sizing;

const METHOD: &str = include_str!("method.md");

/// The table in columns, for the screen.
pub fn table(rows: &[Row]) -> String {
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or_default();
    let (what, target, figure) = (width(|row| row.what), width(|row| &row.target), width(|row| &row.figure));
    rows.iter().fold(String::new(), |mut text, row| {
        let _ = writeln!(text, "{:what$}  {:target$}  {:figure$}  {}", row.what, row.target, row.figure, row.verdict());
        text
    })
}

/// Writes the page to `file` and the pictures into the folder beside it that is named like the page.
///
/// # Errors
/// A file cannot be written.
pub fn write(file: &Path, findings: &Findings, scale: Scale, took: Duration) -> Result<()> {
    let pictures = file.with_extension("");
    fs::create_dir_all(&pictures).with_context(|| format!("cannot make the folder {}", pictures.display()))?;
    for curve in &findings.curves {
        fs::write(pictures.join(format!("{}.svg", curve.id)), plot::svg(curve))?;
    }
    let folder = pictures.file_name().unwrap_or_default().to_string_lossy().into_owned();
    fs::write(file, page(findings, &folder, scale, took)).with_context(|| format!("cannot write {}", file.display()))
}

fn page(findings: &Findings, pictures: &str, scale: Scale, took: Duration) -> String {
    let mut page = String::from("# Performance\n\n<!-- Written by `make bench`: do not edit. -->\n\n");
    if !scale.is_full() {
        let _ = writeln!(page, "A try at {} of the full size: the figures say nothing about the targets.\n", scale.0);
    }
    page += "| what | target | figure | |\n|---|---|---|---|\n";
    for row in &findings.rows {
        let _ = writeln!(page, "| {} | {} | {} | {} |", row.what, row.target, row.figure, row.verdict());
    }
    let missed: Vec<&Row> = findings.rows.iter().filter(|row| row.met == Some(false)).collect();
    if !missed.is_empty() {
        page += "\n## Why targets are missed\n\n";
        for row in missed {
            let _ = writeln!(page, "- **{}**: {}", row.what, reason(row.id).unwrap_or("not explained yet."));
        }
    }
    page += &sizing::section(findings);
    page += "\n## Curves\n";
    for curve in &findings.curves {
        let _ = writeln!(page, "\n![{}]({pictures}/{}.svg)", curve.title, curve.id);
    }
    page += "\n## The machine\n\n";
    for line in machine::describe() {
        let _ = writeln!(page, "- {line}");
    }
    let _ = writeln!(
        page,
        "- the bench took {} s; etcd, kube-apiserver, simulator, bench and operator shared the machine",
        took.as_secs()
    );
    page.push('\n');
    page + METHOD
}
