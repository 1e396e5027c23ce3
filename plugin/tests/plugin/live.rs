//! What follows live: in place on a terminal, line by line in a pipe.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::json;

use crate::{
    harness::{Cluster, World},
    screens::compare,
    stage::{Stage, plugin, stable},
    terminal::Terminal,
};

const INTERRUPTED: i32 = 130;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_changes_in_place_and_leaves_the_terminal_as_it_was() {
    let stage = Stage::set("live").await;
    stage.freeze().await;
    is_followed_by_lines_in_a_pipe(&stage).await;
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

/// A pipe gets a line for each change.
async fn is_followed_by_lines_in_a_pipe(stage: &Stage) {
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
    compare("follow", &format!("{}\n", stable(&first)));
    stage.write("orders", json!({ "state": "RefreshPending", "completionTime": null, "progress": null })).await;
    let changed = list.next().unwrap();
    assert!(changed.starts_with("orders ") && changed.contains("Pending"), "{changed}");
    let changed = status.next().unwrap();
    assert!(changed.contains("   Pending   "), "{changed}");
    stage.world.kubectl(&["delete", "ecrefresh", "archive"]);
    let gone = list.next().unwrap();
    assert!(gone.starts_with("archive ") && gone.contains("Deleted"), "{gone}");
    is_followed_by_lines_in_a_terminal_that_cannot_draw(stage).await;
    for (mut child, _) in followed {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// So does a terminal that cannot go back to a line.
async fn is_followed_by_lines_in_a_terminal_that_cannot_draw(stage: &Stage) {
    let mut dumb = Terminal::start(120, 30, stage.plugin(&["-w"]).env("TERM", "dumb"));
    dumb.until("the table", |screen| screen.contains("missing"));
    stage.write("missing", json!({ "state": "RefreshFailed" })).await;
    let both = dumb.until("the change", |screen| screen.contains("Failed") && screen.contains("missing "));
    assert_eq!(both.lines().filter(|line| line.starts_with("missing ")).count(), 2, "{both}");
    dumb.press("\u{3}");
    assert_eq!(dumb.ended().code(), Some(INTERRUPTED));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_api_server_is_away_what_is_shown_is_told_to_be_old() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let world = World::on(&cluster).await;
    world.create("products", "products").await;
    let command = plugin(cluster.control_plane.kubeconfig(), &world.namespace, &["-w"]);
    let terminal = Terminal::start(100, 20, &command);
    terminal.until("the table", |screen| screen.contains("products   New"));
    tokio::task::block_in_place(|| cluster.control_plane.stop_api_server().unwrap());
    let old = terminal.until("the trouble", |screen| screen.contains("What is shown may be old"));
    assert!(old.contains("products   New") && old.contains("does not answer"), "{old}");
    tokio::task::block_in_place(|| cluster.control_plane.start_api_server().unwrap());
    terminal.until("the table alone", |screen| screen.contains("products   New") && !screen.contains("may be old"));
}
