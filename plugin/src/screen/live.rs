//! The live view: on a terminal the last lines are rewritten in place, in a pipe each change is a line of its own.

use std::{
    io::{self, Write},
    time::Duration,
};

use anstream::ColorChoice;
use futures::{Stream, StreamExt, pin_mut};
use jiff::Timestamp;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{Line, Screen, lines};
use crate::{exit::Exit, problem::Problem};

/// Between two drawings: faster is not read, and a thousand changes at once are one.
const PAUSE: Duration = Duration::from_millis(100);
/// Ages grow by the second.
const SECOND: Duration = Duration::from_secs(1);

/// What is shown live.
pub trait View {
    /// What it hears of.
    type News;

    /// Takes in what is new.
    ///
    /// # Errors
    /// It cannot go on.
    fn hear(&mut self, news: Self::News, now: Timestamp) -> Result<Heard, Problem>;

    /// All that is to be seen in a window, as of `now`.
    fn shown(&self, screen: &Screen, now: Timestamp) -> Vec<Line>;
}

/// What follows from what was heard.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// What a pipe gets.
    pub lines: Vec<Line>,
    /// How it ends, if it does.
    pub end: Option<Exit>,
}

/// Shows `view` until it or the news end, or somebody ends it.
///
/// # Errors
/// The view cannot go on, or nobody reads on. After Ctrl-C nothing is left to say.
pub async fn follow<V: View>(news: impl Stream<Item = V::News>, mut view: V) -> Result<Exit, Problem> {
    pin_mut!(news);
    let mut ends = Ends::listen()?;
    let mut resized = signal(SignalKind::window_change())?;
    let mut canvas = Canvas::stdout();
    let mut seconds = interval(SECOND);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = None;
    loop {
        let draw = next.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            () = ends.come() => {
                canvas.leave()?;
                return Err(Problem::silent(Exit::Interrupted));
            }
            () = sleep_until(draw), if next.is_some() => {
                next = None;
                canvas.draw(|screen| view.shown(screen, Timestamp::now()))?;
            }
            heard = news.next() => {
                let Some(heard) = heard else { return Ok(Exit::Ok) };
                let heard = view.hear(heard, Timestamp::now())?;
                if canvas.is_pipe() {
                    lines(&heard.lines)?;
                }
                if let Some(exit) = heard.end {
                    canvas.draw(|screen| view.shown(screen, Timestamp::now()))?;
                    return Ok(exit);
                }
                next = next.or(Some(Instant::now() + PAUSE));
            }
            _ = resized.recv() => next = Some(Instant::now()),
            _ = seconds.tick() => next = next.or(Some(Instant::now())),
        }
    }
}

/// The signals that end a program that somebody looks at.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ends {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn come(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// The lines at the end of the terminal that are ours. The cursor stays below them and is never hidden, so that there is nothing to
/// bring back however the program ends.
struct Canvas {
    screen: Screen,
    colours: bool,
    /// The width of each line that is drawn.
    drawn: Vec<usize>,
}

impl Canvas {
    fn stdout() -> Self {
        let colours = anstream::AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        // Such a terminal, as in an editor, cannot go back to a line.
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let screen = if dumb { Screen::PIPE } else { Screen::stdout() };
        Self { screen, colours, drawn: Vec::new() }
    }

    fn is_pipe(&self) -> bool {
        self.screen.window.is_none()
    }

    fn draw(&mut self, shown: impl FnOnce(&Screen) -> Vec<Line>) -> io::Result<()> {
        if self.is_pipe() {
            return Ok(());
        }
        self.screen = Screen::stdout();
        let Some((columns, rows)) = self.screen.window else { return Ok(()) };
        let lines = fit(shown(&self.screen), columns, rows);
        let frame = frame(&lines, rows_of(&self.drawn, columns).min(rows.saturating_sub(1)), self.colours);
        self.drawn = lines.iter().map(Line::width).collect();
        let mut out = io::stdout().lock();
        out.write_all(frame.as_bytes())?;
        out.flush()
    }

    /// Leaves what is drawn, and the `^C` that the terminal shows on a line of its own.
    fn leave(&self) -> io::Result<()> {
        if !self.is_pipe() {
            io::stdout().lock().write_all(b"\n")?;
        }
        Ok(())
    }
}

/// The lines as a window has room for them: each in one row, and one row for the cursor.
fn fit(lines: Vec<Line>, columns: usize, rows: usize) -> Vec<Line> {
    let room = rows.saturating_sub(1).max(1);
    let all = lines.len();
    let mut shown: Vec<Line> = lines.into_iter().map(|line| line.cut(columns)).collect();
    if all > room {
        shown.truncate(room - 1);
        let more = all - shown.len();
        shown.push(
            Line::from(format!("... {more} more lines: make the window higher, or run it without -w")).cut(columns),
        );
    }
    shown
}

/// How many rows of a window lines of these widths take: after a resize a long line has more than one.
fn rows_of(widths: &[usize], columns: usize) -> usize {
    widths.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum()
}

/// From the first of the rows that are ours: every line anew, and nothing below.
fn frame(lines: &[Line], rows: usize, colours: bool) -> String {
    let mut frame = String::new();
    if rows > 0 {
        frame.push_str(&format!("\r\x1b[{rows}A"));
    }
    for line in lines {
        frame.push_str(&if colours { line.painted() } else { line.plain() });
        frame.push_str("\x1b[K\r\n");
    }
    frame.push_str("\x1b[J");
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_window_has_no_room_for_is_told() {
        let lines = || (0..5).map(|number| Line::from(format!("line {number} of five"))).collect();
        let shown = |columns, rows| fit(lines(), columns, rows).iter().map(Line::plain).collect::<Vec<_>>();
        assert_eq!(shown(80, 6).len(), 5);
        assert_eq!(
            shown(80, 4),
            ["line 0 of five", "line 1 of five", "... 3 more lines: make the window higher, or run it without -w"]
        );
        assert_eq!(shown(6, 6).first().map(String::as_str), Some("line …"));
        assert_eq!(shown(80, 0).len(), 1);
    }

    #[test]
    fn a_frame_begins_where_the_last_one_began_also_after_a_resize() {
        assert_eq!(rows_of(&[10, 0, 25], 80), 3);
        assert_eq!(rows_of(&[10, 0, 25], 10), 5);
        assert_eq!(frame(&[Line::from("a")], 0, true), "a\x1b[K\r\n\x1b[J");
        assert_eq!(frame(&[Line::from("a")], 5, true), "\r\x1b[5Aa\x1b[K\r\n\x1b[J");
    }
}
