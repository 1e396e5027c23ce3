//! `completion`, and the manual pages of a release.

use std::{fs, io::Write as _, path::Path};

use clap::CommandFactory as _;

use crate::{
    cli::{Cli, Shell},
    complete::script,
    exit::Exit,
    problem::Problem,
};

/// Prints the script for a shell.
///
/// # Errors
/// Nobody reads on, or the disk is full.
pub fn completion(shell: Shell) -> Result<Exit, Problem> {
    std::io::stdout().lock().write_all(script(shell).as_bytes())?;
    Ok(Exit::Ok)
}

/// Writes a page for the program and for each of its commands.
///
/// # Errors
/// They cannot be written.
pub fn pages(folder: &Path) -> Result<Exit, Problem> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)?;
    Ok(Exit::Ok)
}
