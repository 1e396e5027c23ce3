//! What stands on the screen at three widths: `screens/`, which a person has looked at, and the recording made of that.
//! `make recording` writes them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    recording,
    stage::{Stage, stable},
    terminal::{Terminal, piped},
};

/// What is shown, by the name of its file.
const SCREENS: [(&str, &[&str]); 9] = [
    ("list", &[]),
    ("history", &["history", "products"]),
    ("status-running", &["status", "products"]),
    ("status-failed", &["status", "orders"]),
    ("status-watched", &["status", "events"]),
    ("why-running", &["why", "products"]),
    ("why-failed", &["why", "orders"]),
    ("why-waiting", &["why", "adhoc"]),
    ("why-suspended", &["why", "archive"]),
];
const WIDTHS: [u16; 3] = [60, 80, 200];

#[tokio::test(flavor = "multi_thread")]
async fn every_screen_is_as_it_was_looked_at() {
    let stage = Stage::set("shop").await;
    for (name, args) in SCREENS {
        let mut all = String::new();
        for width in WIDTHS {
            stage.freeze().await;
            let mut terminal = Terminal::start(width, 100, &stage.plugin(args));
            let ended = terminal.ended();
            let screen = stable(&terminal.screen());
            assert!(ended.success(), "{name}: {screen}");
            all += &format!("== {width} columns\n{screen}\n");
        }
        stage.freeze().await;
        let (out, err, code) = piped(&mut stage.plugin(args));
        assert_eq!((err.as_str(), code), ("", Some(0)), "{name}");
        assert!(!out.contains('\u{1b}') && !out.contains('█'), "a pipe gets plain text: {out}");
        all += &format!("== in a pipe\n{}\n", stable(out.trim_end()));
        compare(name, &all);
    }
    compare_with(&recording::path(), &recording::of(&stage).await);
}

fn compare(name: &str, screen: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/plugin/screens");
    compare_with(&folder.join(format!("{name}.txt")), screen);
}

/// Compares with a file, or writes it.
fn compare_with(path: &Path, shown: &str) {
    if std::env::var_os("WRITE_SCREENS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, shown).unwrap();
    }
    let known = fs::read_to_string(path).unwrap_or_default();
    assert!(known == shown, "{} differs from what is shown; if that is right: make recording\n{shown}", path.display());
}
