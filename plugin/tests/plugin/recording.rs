//! The recording for the documentation: an SVG that plays real screens one after the other.

use std::{fmt::Write as _, path::PathBuf};

use crate::{
    stage::{Stage, stable},
    terminal::Terminal,
};

const COLUMNS: u16 = 100;
const ROWS: u16 = 34;
/// A character, in pixels.
const WIDE: f32 = 8.4;
const HIGH: f32 = 18.0;
const MARGIN: f32 = 16.0;

/// Where it is kept.
pub fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/plugin/recording.svg")
}

/// What is seen for so many seconds.
struct Frame {
    rows: Vec<Vec<Cell>>,
    seconds: f32,
}

#[derive(Clone, Copy, PartialEq)]
struct Cell {
    text: char,
    class: &'static str,
}

/// The recording: what there is, a run that goes on, and a failure with what to do about it.
pub async fn of(stage: &Stage) -> String {
    stage.freeze().await;
    let mut frames = vec![ended(stage, &[], 5.0)];
    let live = ["status", "products", "-w"];
    let terminal = Terminal::start(COLUMNS, ROWS, &stage.plugin(&live));
    for (minutes, progress) in [(12, 31), (18, 47), (24, 63), (29, 76)] {
        stage.freeze_at(minutes, progress).await;
        let left = format!("{progress}%, about {}m left", 39 - minutes);
        terminal.until(&left, |screen| screen.contains(&left) && screen.contains("RefreshStarted"));
        frames.push(Frame { rows: rows(&live, &terminal), seconds: 1.5 });
    }
    stage.freeze().await;
    frames.push(ended(stage, &["why", "orders"], 8.0));
    svg(&frames)
}

fn ended(stage: &Stage, args: &[&str], seconds: f32) -> Frame {
    let mut terminal = Terminal::start(COLUMNS, ROWS, &stage.plugin(args));
    terminal.ended();
    Frame { rows: rows(args, &terminal), seconds }
}

/// The command, and the screen with its colours.
fn rows(args: &[&str], terminal: &Terminal) -> Vec<Vec<Cell>> {
    let command = ["$ kubectl ecrefresh", &args.join(" ")].join(" ");
    let command = command.trim_end().chars().map(|text| Cell { text, class: "b" }).collect();
    let screen = stable(&terminal.screen());
    let cells = terminal.with_parser(|shown| {
        let lines = screen.lines().zip(0_u16..);
        let of_line = |(line, row): (&str, u16)| {
            let cells = line.chars().zip(0_u16..);
            cells.map(|(text, column)| Cell { text, class: class(shown.cell(row, column)) }).collect()
        };
        lines.map(of_line).collect::<Vec<Vec<Cell>>>()
    });
    std::iter::once(command).chain(cells).collect()
}

fn class(cell: Option<&vt100::Cell>) -> &'static str {
    let Some(cell) = cell else { return "" };
    match cell.fgcolor() {
        vt100::Color::Idx(1) => "r",
        vt100::Color::Idx(2) => "g",
        vt100::Color::Idx(3) => "y",
        vt100::Color::Idx(6) => "c",
        _ if cell.bold() => "b",
        _ if cell.dim() => "d",
        _ => "",
    }
}

fn svg(frames: &[Frame]) -> String {
    let all: f32 = frames.iter().map(|frame| frame.seconds).sum();
    let highest = frames.iter().map(|frame| frame.rows.len()).max().unwrap_or_default();
    let (width, height) = (f32::from(COLUMNS) * WIDE + 2.0 * MARGIN, highest as f32 * HIGH + 2.0 * MARGIN);
    let mut svg = format!(
        "<!-- Written by `make recording` from real screens. -->\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\" aria-label=\"kubectl ecrefresh lists refreshes, follows one and explains a failure\">\n\
         <style>\n\
         text {{ font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #c9d1d9; white-space: pre }}\n\
         .b {{ font-weight: bold; fill: #f0f6fc }} .d {{ fill: #8b949e }} .r {{ fill: #ff7b72 }} .g {{ fill: #7ee787 }} \
         .y {{ fill: #e3b341 }} .c {{ fill: #79c0ff }}\n"
    );
    let mut begins = 0.0;
    for (number, frame) in frames.iter().enumerate() {
        let (from, to) = (100.0 * begins / all, 100.0 * (begins + frame.seconds) / all);
        // Where nothing moves the first one is seen.
        let hidden = if number == 0 { "" } else { "opacity: 0; " };
        let before = if number == 0 { String::new() } else { "0% { opacity: 0 } ".to_owned() };
        let _ = writeln!(
            svg,
            "#f{number} {{ {hidden}animation: f{number} {all}s step-end infinite }} \
             @keyframes f{number} {{ {before}{from:.2}% {{ opacity: 1 }} {to:.2}% {{ opacity: 0 }} }}"
        );
        begins += frame.seconds;
    }
    let _ = writeln!(svg, "</style>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>");
    for (number, frame) in frames.iter().enumerate() {
        let _ = writeln!(svg, "<g id=\"f{number}\">");
        for (row, cells) in (0_u16..).zip(&frame.rows) {
            line(&mut svg, row, cells);
        }
        let _ = writeln!(svg, "</g>");
    }
    svg + "</svg>\n"
}

/// A line: a text for each piece of one colour, at its place and as wide as its columns whatever the font.
fn line(svg: &mut String, row: u16, cells: &[Cell]) {
    let y = MARGIN + f32::from(row) * HIGH + 13.0;
    let mut column = 0_usize;
    for piece in cells.chunk_by(|a, b| a.class == b.class) {
        let text: String = piece.iter().map(|cell| cell.text).collect();
        let (blank, text) = (text.chars().take_while(|c| *c == ' ').count(), text.trim());
        let columns = text.chars().count();
        if columns > 0 {
            let x = MARGIN + (column + blank) as f32 * WIDE;
            let class = piece.first().map(|cell| cell.class).filter(|class| !class.is_empty());
            let class = class.map(|class| format!(" class=\"{class}\"")).unwrap_or_default();
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let length = columns as f32 * WIDE;
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.0}\" textLength=\"{length:.1}\" xml:space=\"preserve\"{class}>{text}</text>"
            );
        }
        column += piece.len();
    }
}
