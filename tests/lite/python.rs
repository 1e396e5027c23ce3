//! milvus-lite and pymilvus in a virtual environment of their own, made once below the user's cache folder.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::LONG;

/// What they need themselves is left to pip: it differs with the version of Python.
const PACKAGES: [&str; 2] = ["milvus-lite==3.2.2", "pymilvus==3.0.2"];

/// The folder of the environment's programs.
pub fn environment() -> PathBuf {
    let cache = controlplane::cache().unwrap().join("lite");
    fs::create_dir_all(&cache).unwrap();
    let folder = cache.join(PACKAGES.join("-").replace("==", "-"));
    let (programs, complete) = (folder.join("bin"), folder.join("complete"));
    // Other tests of this binary want it at the same time.
    let lock = File::create(cache.join("build.lock")).unwrap();
    lock.lock().unwrap();
    // An environment is a link to a Python that may be gone by now.
    if complete.is_file() && programs.join("python").is_file() {
        return programs;
    }
    let python = python();
    let kept = folder.display();
    say(&format!("Installing {PACKAGES:?} for the test of the adapter. This is done once: they are kept in {kept}."));
    let _ = fs::remove_dir_all(&folder);
    let mut venv = Command::new(python);
    venv.args(["-m", "venv"]).arg(&folder);
    run(venv);
    let mut pip = Command::new(programs.join("python"));
    pip.args(["-m", "pip", "install", "--quiet"]).args(PACKAGES);
    run(pip);
    File::create(complete).unwrap();
    programs
}

/// A Python that can make the environment.
fn python() -> &'static str {
    const CAN: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";
    let can = |name: &&str| {
        let mut command = Command::new(name);
        command.args(["-c", CAN]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        controlplane::output(command, LONG).is_ok_and(|output| output.status.success())
    };
    ["python3", "python"].into_iter().find(can).expect(
        "this test needs Python 3.10 or later with venv, as `python3` on PATH (Debian: python3-venv); install it, or leave \
         the test out with `cargo test --workspace -- --skip milvus_lite`",
    )
}

fn run(mut command: Command) {
    let shown = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let said = controlplane::output(command, LONG).unwrap();
    assert!(said.status.success(), "{shown}: {}", String::from_utf8_lossy(&said.stderr));
}

/// Past the capture of test output: who waits for minutes is to know why.
fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "{sentence}");
}
