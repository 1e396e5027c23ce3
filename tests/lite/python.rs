//! Packages of Python in a virtual environment of their own, made once below the user's cache folder.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

/// A virtual environment.
pub struct Environment {
    /// Its folder below the cache.
    pub area: &'static str,
    /// What they need themselves is left to pip: it differs with the version of Python.
    pub packages: &'static [&'static str],
    /// What they are for.
    pub purpose: &'static str,
    /// What the tests are called that need them.
    pub tests: &'static str,
}

impl Environment {
    /// The folder of its programs.
    pub fn programs(&self) -> PathBuf {
        let Self { area, packages, purpose, .. } = self;
        let path = format!("{area}/{}", packages.join("-").replace("==", "-"));
        let what = format!("{packages:?} for {purpose}");
        // An environment is a link to a Python that may be gone by now.
        let folder = controlplane::kept(&path, "bin/python", &what, |folder| {
            let mut venv = Command::new(self.python());
            venv.args(["-m", "venv"]).arg(folder);
            let mut pip = Command::new(folder.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet"]).args(*packages);
            vec![venv, pip]
        });
        folder.unwrap().join("bin")
    }

    /// A Python that can make the environment.
    fn python(&self) -> &'static str {
        const CAN: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";
        let can = |name: &&str| {
            let mut command = Command::new(name);
            command.args(["-c", CAN]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            controlplane::output(command, Duration::from_secs(300)).is_ok_and(|output| output.status.success())
        };
        let found = ["python3", "python"].into_iter().find(can);
        found.unwrap_or_else(|| {
            panic!(
                "this test needs Python 3.10 or later with venv, as `python3` on PATH (Debian: python3-venv); install it, or \
                 leave the test out with `cargo test --workspace -- --skip {}`",
                self.tests
            )
        })
    }
}
