//! What follows live: in place on a terminal, line by line in a pipe.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::json;

use crate::{stage::Stage, terminal::Terminal};

const INTERRUPTED: i32 = 130;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_changes_in_place_and_leaves_the_terminal_as_it_was() {
    let stage = Stage::set("live").await;
    stage.freeze().await;
    let mut list = Terminal::start(120, 30, &stage.plugin(&["-w"]));
    let first = list.until("the table", |screen| screen.contains("products") && screen.contains("31%"));
    assert!(first.lines().any(|line| line.contains("███")), "{first}");
    stage.write("products", json!({ "progress": 74 })).await;
    let second = list.until("the progress", |screen| screen.contains("74%"));
    assert_eq!(second.lines().filter(|line| line.starts_with("products")).count(), 1, "{second}");

    list.resize(60, 30);
    let narrow = list.until("the narrow table", |screen| !screen.contains("LAST SUCCESS") && screen.contains("74%"));
    assert_eq!(narrow.lines().filter(|line| line.starts_with("products")).count(), 1, "{narrow}");
    list.resize(120, 30);
    list.until("the wide table", |screen| screen.contains("LAST SUCCESS"));

    list.press("\u{3}");
    assert_eq!(list.ended().code(), Some(INTERRUPTED));
    assert!(!list.with_parser(vt100::Screen::hide_cursor) && !list.with_parser(vt100::Screen::alternate_screen));

    let mut status = Terminal::start(80, 60, &stage.plugin(&["status", "products", "-w"]));
    status.until("the page", |screen| {
        screen.contains("about") && screen.contains("74%") && screen.contains("RefreshStarted")
    });
    stage.write("products", json!({ "progress": 90 })).await;
    status.until("the progress", |screen| screen.contains("90%") && !screen.contains("74%"));
    stage.world.kubectl(&["delete", "ecrefresh", "products"]);
    let ended = status.ended();
    assert!(status.screen().contains("Refresh products was deleted."), "{}", status.screen());
    assert_eq!(ended.code(), Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_gets_a_line_for_each_change() {
    let stage = Stage::set("piped").await;
    let mut followed = [&["-w"] as &[&str], &["status", "orders", "-w"]].map(|args| {
        let mut child = stage.plugin(args).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines.map(Result::unwrap))
    });
    let [(_, list), (_, status)] = &mut followed;
    assert!(list.next().unwrap().starts_with("NAME"));
    let listed: Vec<_> = list.take(6).collect();
    assert!(listed.iter().any(|line| line.starts_with("orders")), "{listed:#?}");
    let first = status.next().unwrap();
    assert!(first.contains("   Failed   SourceEmpty   no files found in external source."), "{first}");
    stage.write("orders", json!({ "state": "RefreshPending", "completionTime": null, "progress": null })).await;
    let changed = list.next().unwrap();
    assert!(changed.starts_with("orders ") && changed.contains("Pending"), "{changed}");
    let changed = status.next().unwrap();
    assert!(changed.contains("   Pending   "), "{changed}");
    for (mut child, _) in followed {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_colours_or_utf_8_it_is_as_readable() {
    let stage = Stage::set("plain").await;
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
