//! `chart docs | dist | package FOLDER`: writes what is made from the chart.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use chart::{CHART, Helm, REPOSITORY, docs, manifests};

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["docs"] => fs::write(docs::README, docs::readme()?)?,
        ["dist"] => {
            for manifest in manifests::all(&Helm::three()?)? {
                let path = Path::new(REPOSITORY).join(manifest.path);
                fs::create_dir_all(path.parent().context("a manifest has no folder")?)?;
                fs::write(path, manifest.text)?;
            }
        }
        ["package", folder] => print!("{}", Helm::three()?.ok(&["package", CHART, "--destination", folder])?),
        _ => bail!("usage: chart docs | dist | package FOLDER"),
    }
    Ok(())
}
