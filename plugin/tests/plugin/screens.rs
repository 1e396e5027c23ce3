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
    is_readable_without_colours(&stage).await;
}

/// Without colours or UTF-8 it is as readable.
async fn is_readable_without_colours(stage: &Stage) {
    stage.freeze().await;
    let mut command = stage.plugin(&[]);
    let mut terminal = Terminal::start(80, 30, command.env("NO_COLOR", "1").env("LC_ALL", "C"));
    terminal.ended();
    let screen = terminal.screen();
    assert!(screen.contains("###.......  31%"), "{screen}");
    let coloured = |screen: &vt100::Screen| {
        let (rows, columns) = screen.size();
        let cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
        cells.filter_map(|(row, column)| screen.cell(row, column)).any(|cell| cell.fgcolor() != vt100::Color::Default)
    };
    assert!(!terminal.with_parser(coloured));
    let mut terminal = Terminal::start(80, 30, &stage.plugin(&[]));
    terminal.ended();
    assert!(terminal.with_parser(coloured));
}

/// Compares with the file of this name, or writes it.
pub fn compare(name: &str, screen: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/plugin/screens");
    compare_with(&folder.join(format!("{name}.txt")), screen);
}

#[test]
fn the_screens_of_the_documentation_are_real() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(root.join("tests/plugin/screens")).unwrap();
    let known: Vec<String> = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let page = fs::read_to_string(root.join("../docs/plugin.md")).unwrap();
    let mut compared = 0;
    for block in page.split("```\n").skip(1).step_by(2) {
        let Some((command, screen)) =
            block.strip_prefix("$ kubectl ecrefresh").and_then(|block| block.split_once('\n'))
        else {
            continue;
        };
        if ["", "list", "why", "status", "history"].contains(&command.split_whitespace().next().unwrap_or_default()) {
            assert!(
                known.iter().any(|known| known.contains(screen)),
                "docs/plugin.md shows for {command} what is not so:\n{screen}"
            );
            compared += 1;
        }
    }
    assert!(compared >= 6, "{compared}");
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
