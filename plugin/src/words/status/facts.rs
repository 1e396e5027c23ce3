//! What a refresh is and what goes on with it, a fact a line.

use jiff::Timestamp;
use milvus_refresh_operator::api::{
    ExternalCollectionRefresh, MilvusConnection, READY, RefreshStatus, RunStatus, VerificationStatus,
};

use super::Whole;
use crate::{
    screen::{Bars, Column, Line, Span, Table, Tone, age, ahead, bar, duration, wrapped},
    words::{
        eta::{Eta, eta},
        state,
    },
};

/// Columns of a label.
pub const LABEL: usize = 13;
/// Columns of a bar, and in a window that is narrower than so many.
const BAR: usize = 20;
const SHORT_BAR: usize = 10;
const NARROW: usize = 72;

/// The facts.
pub fn facts(whole: &Whole<'_>, bars: Option<Bars>, window: Option<usize>) -> Vec<Line> {
    let Whole { object, now, .. } = whole;
    let status = object.status.as_ref();
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let mut lines = vec![Line::from(Span::new(Tone::Strong, name))];
    let fact = |lines: &mut Vec<Line>, label: &str, text: Option<String>| {
        let text = text.into_iter();
        lines.extend(text.flat_map(|text| wrapped(labelled(label), Tone::Plain, &text, window)));
    };
    fact(&mut lines, "Namespace", object.metadata.namespace.clone());
    fact(&mut lines, "Collection", Some(format!("{}.{}", object.spec.database_name, object.spec.collection_name)));
    fact(&mut lines, "Connection", Some(connection(object, whole.connection)));
    let (word, tone) = state(status);
    lines.push(labelled("State").with(Span::new(tone, word)));
    lines.extend(status.and_then(|status| progress(status, bars, window, *now)));
    fact(&mut lines, "Why", Some(whole.why.to_owned()));
    let Some(status) = status else { return lines };
    fact(&mut lines, "Run", status.run.as_ref().map(|run| current_run(status, run, *now)));
    fact(&mut lines, "Next", next(object, status, *now));
    fact(&mut lines, "Source", source(status, *now));
    fact(&mut lines, "Rows", status.verification.as_ref().and_then(|checked| rows(checked, *now)));
    fact(
        &mut lines,
        "Succeeded",
        status.last_successful_time.as_ref().map(|time| format!("{} ago", age(time.0, *now))),
    );
    lines
}

fn labelled(label: &str) -> Line {
    Line::from(Span::new(Tone::Faint, label)).padded(LABEL)
}

/// How far the job is that is running, and how long it will still take.
fn progress(status: &RefreshStatus, bars: Option<Bars>, window: Option<usize>, now: Timestamp) -> Option<Line> {
    let percent = status.progress.filter(|_| status.completion_time.is_none())?;
    let percent = u8::try_from(percent.clamp(0, 100)).unwrap_or_default();
    let columns = if window.is_some_and(|window| window < NARROW) { SHORT_BAR } else { BAR };
    let drawn = bars.map(|bars| format!("{} ", bar(bars, percent, columns))).unwrap_or_default();
    let line = labelled("Progress").with(Span::new(Tone::Busy, format!("{drawn}{percent}%")));
    Some(match eta(status, now) {
        Some(Eta::Left { seconds, usual }) => {
            line.with(format!(", about {} left of the usual {}", duration(seconds), duration(usual)))
        }
        Some(Eta::Late { usual }) => {
            line.with(", ").with(Span::new(Tone::Held, format!("longer than the usual {}", duration(usual))))
        }
        None => line,
    })
}

/// The connection, where it leads and whether it works.
fn connection(object: &ExternalCollectionRefresh, found: Result<Option<&MilvusConnection>, &str>) -> String {
    let name = &object.spec.connection_ref.name;
    let connection = match found {
        Ok(Some(connection)) => connection,
        Ok(None) => return format!("{name}, which does not exist"),
        Err(why) => return format!("{name}. {why}"),
    };
    let Some(status) = &connection.status else { return format!("{name}, which the operator has not seen yet") };
    let endpoint = status.endpoint.as_deref().or(connection.spec.address.as_deref()).unwrap_or("no address yet");
    let version = status.server_version.as_ref().map(|version| format!(", Milvus {version}")).unwrap_or_default();
    let ready = status.conditions.iter().find(|condition| condition.type_ == READY);
    let trouble = ready.filter(|ready| ready.status != "True");
    let trouble = trouble.map(|ready| format!(": {}: {}", ready.reason, ready.message)).unwrap_or_default();
    format!("{name} ({endpoint}{version}){trouble}")
}

/// The current or last run.
fn current_run(status: &RefreshStatus, run: &RunStatus, now: Timestamp) -> String {
    let ago = |what: &str, time: Option<Timestamp>| time.map(|time| format!("{what} {} ago", age(time, now)));
    let ended = status.completion_time.as_ref().map(|time| time.0);
    let parts = [
        run.cause.as_ref().map(|cause| format!("cause {cause}")),
        run.trigger.as_ref().map(|trigger| format!("trigger {trigger}")),
        (run.attempt > 1).then(|| format!("attempt {}", run.attempt)),
        (run.failures > 0).then(|| format!("failures {}", run.failures)),
        status.job_id.as_ref().map(|job| format!("job {job}")),
        ago("due", run.queued_time.as_ref().map(|time| time.0).filter(|_| ended.is_none())),
        ago("started", status.start_time.as_ref().map(|time| time.0)),
        ago("ended", ended),
        status.queue_position.map(|position| format!("place {position} in the queue")),
    ];
    let parts: Vec<String> = std::iter::once(run.number.to_string()).chain(parts.into_iter().flatten()).collect();
    parts.join(", ")
}

/// When it runs next without being asked.
fn next(object: &ExternalCollectionRefresh, status: &RefreshStatus, now: Timestamp) -> Option<String> {
    let retry = status.run.as_ref().and_then(|run| run.next_attempt_time.as_ref());
    let retry = retry.map(|time| format!("retry {}", ahead(time.0, now)));
    let tick = object.spec.schedule.as_ref().map(|schedule| {
        let time = status.schedule.as_ref().and_then(|kept| kept.next_schedule_time.as_ref());
        let time =
            time.map_or("not by the schedule".to_owned(), |time| format!("{}, at {}", ahead(time.0, now), time.0));
        format!("{time} ({} {})", schedule.cron, schedule.time_zone)
    });
    let watched = object
        .spec
        .watch
        .as_ref()
        .map(|watch| format!("when the source changes, looked at every {} s", watch.interval_seconds));
    let all: Vec<String> = [retry, tick, watched].into_iter().flatten().collect();
    let held = if object.spec.suspend { "held by spec.suspend; otherwise " } else { "" };
    (!all.is_empty()).then(|| format!("{held}{}", all.join("; ")))
}

/// The source, and what is known of it.
fn source(status: &RefreshStatus, now: Timestamp) -> Option<String> {
    let run = status.run.as_ref().and_then(|run| run.external_source.as_deref());
    let place = status.external_source.as_deref().or(run);
    let watch = status.watch.as_ref();
    let amount = watch.and_then(|watch| {
        let files = watch.objects.zip(watch.bytes).map(|(files, size)| format!("{files} files, {}", bytes(size)));
        files.or_else(|| Some(format!("snapshot {}", watch.observed_version.as_ref()?)))
    });
    let changed = watch.and_then(|watch| watch.changed_time.as_ref());
    let changed = changed.map(|time| format!("changed {} ago", age(time.0, now)));
    let lag = watch.and_then(|watch| watch.pending_since.as_ref());
    let lag = lag.map(|since| format!("not refreshed for {}", age(since.0, now)));
    let parts: Vec<String> = [place.map(str::to_owned), amount, changed, lag].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// How many rows are served.
fn rows(checked: &VerificationStatus, now: Timestamp) -> Option<String> {
    let parts = [
        checked.served_rows.map(|rows| format!("{rows} served")),
        checked.mapped_rows.map(|rows| format!("{rows} mapped")),
        checked.previous_rows.map(|rows| format!("{rows} before")),
        checked.time.as_ref().map(|time| format!("found {} ago", age(time.0, now))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The checks one by one.
pub fn checks(checked: &VerificationStatus) -> Table {
    let columns = [
        Column::key("CHECK"),
        Column::ranked("OUTCOME", 1),
        Column::ranked("FOUND", 2),
        Column::ranked("EXPECTED", 3),
        Column::text("MESSAGE", 4),
    ];
    let mut table = Table::new(columns);
    let number = |number: Option<i64>| Span::from(number.map_or("-".to_owned(), |number| number.to_string()));
    for check in &checked.checks {
        let tone = match check.outcome.as_str() {
            "Passed" => Tone::Good,
            "Failed" => Tone::Bad,
            _ => Tone::Held,
        };
        table.push(vec![
            Span::from(&check.name),
            Span::new(tone, &check.outcome),
            number(check.observed),
            number(check.expected),
            Span::from(&check.message),
        ]);
    }
    table
}

/// A size for people.
fn bytes(size: i64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB"];
    let (mut tenths, mut unit) = (i128::from(size.max(0)) * 10, "B");
    for larger in units {
        if tenths < 10_000 {
            break;
        }
        (tenths, unit) = (tenths / 1000, larger);
    }
    if unit == "B" { format!("{size} B") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_written_for_people() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_250_000, "1.2 MB"),
            (999_999, "999.9 kB"),
            (i64::MAX, "9223.3 PB"),
        ];
        for (size, expected) in table {
            assert_eq!(bytes(size), expected, "{size}");
        }
    }
}
