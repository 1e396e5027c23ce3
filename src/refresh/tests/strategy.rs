//! Arbitrary statuses, facts and times, drawn from few values so that they meet, and mostly from those that make sense
//! together, so that every phase is reached.

mod watch;

use std::{collections::BTreeSet, fmt::Debug, time::Duration};

use jiff::Timestamp;
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use watch::{last_look, scouted, watch, watched};

use super::scene::{COLLECTION, ENDPOINT, NEW, OLD, OPERATOR, SOURCE, at, want};
use crate::{
    api::{ActiveJobPolicy, RefreshStatus},
    milvus::{
        Answer, Collection, ErrorKind, Index, IndexState, Job, JobId, JobState, LoadState, MilvusError,
        examiner::{Evidence, Mapped, Served},
    },
    refresh::{
        Ahead, Connection, Desired, Fact, FailureClass, Look, Observation, OwnSourceCheck, Permission, Reason,
        Schedule, Slot, Submission, Turn, Verify,
        limits::{ABSENCE_WINDOW, GRACE},
    },
};

const KINDS: [ErrorKind; 17] = [
    ErrorKind::NotSent,
    ErrorKind::Unreachable,
    ErrorKind::Timeout,
    ErrorKind::Busy,
    ErrorKind::Starting,
    ErrorKind::Unauthenticated,
    ErrorKind::PermissionDenied,
    ErrorKind::Unsupported,
    ErrorKind::CollectionNotFound,
    ErrorKind::DatabaseNotFound,
    ErrorKind::NotExternal,
    ErrorKind::InvalidRequest,
    ErrorKind::NotLoaded,
    ErrorKind::DuplicateJob,
    ErrorKind::JobNotFound,
    ErrorKind::Malformed,
    ErrorKind::Internal,
];

pub fn now() -> impl Strategy<Value = Timestamp> {
    let day = 24 * 3600 * 1000_i64;
    prop_oneof![4 => 0..=20_000_i64, 1 => -day..=2 * day].prop_map(at)
}

pub fn desired() -> BoxedStrategy<Desired> {
    let fingerprint = select(vec![want().fingerprint, "v1:another".to_owned(), "v9:later".to_owned()]);
    let policy = select(vec![ActiveJobPolicy::Wait, ActiveJobPolicy::Adopt]);
    let requests = (token(), token(), prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    let limits = (option::weighted(0.2, 1..100_u64), select(vec![1, 60, 4500]), select(vec![0, 3]));
    let asks = (option::weighted(0.3, schedule()), option::weighted(0.4, verify()), option::weighted(0.3, watch()));
    let new = (prop::bool::weighted(0.8), asks);
    (1..4_i64, fingerprint, policy, requests, limits, new)
        .prop_map(
            |(
                generation,
                fingerprint,
                active_job_policy,
                requests,
                limits,
                (run_on_creation, (schedule, verify, watch)),
            )| Desired {
                generation,
                active_job_policy,
                fingerprint,
                trigger: requests.0,
                requested_at: requests.1,
                suspend: requests.2,
                terminating: requests.3,
                run_on_creation,
                schedule,
                verify,
                watch,
                starting_deadline: limits.0.map(Duration::from_secs),
                active_deadline: Duration::from_secs(limits.1),
                backoff_limit: limits.2,
                ..want()
            },
        )
        .boxed()
}

/// One of few: in order, with a delay, and without sense.
fn schedule() -> impl Strategy<Value = Schedule> {
    let seconds = prop_oneof![Just(0_u64), 1..100_u64];
    (select(CRONS.to_vec()), seconds).prop_map(|(cron, seconds)| Schedule {
        cron: cron.to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        jitter: Duration::from_secs(if seconds == 0 { 0 } else { 100 }),
        delay: Duration::from_secs(seconds),
    })
}

/// What to check of a result.
fn verify() -> impl Strategy<Value = Verify> {
    let policy = select(vec!["Report", "Require"]);
    (policy, select(vec!["IfLoaded", "Required"]), option::of(Just(60)), option::of(0..3_i64)).prop_map(
        |(policy, load, recheck, min)| {
            let rows = min.map(|min| json!({ "min": min, "maxDropPercent": 50 }));
            let spec = json!({
                "policy": policy, "load": load, "rows": rows, "timeoutSeconds": 10, "recheckIntervalSeconds": recheck,
                "index": "Require", "queries": [{ "name": "new", "filter": "batch == \"new\"" }],
            });
            Verify::of(&serde_json::from_value(spec).expect("a spec"), "some uid")
        },
    )
}

/// What a look at the served rows finds.
fn evidence() -> impl Strategy<Value = Evidence> {
    let load = select(vec![LoadState::NotLoaded, LoadState::Loading, LoadState::Loaded]);
    let answer = || prop_oneof![4 => (0..3_i64).prop_map(Ok), 1 => error().prop_map(Err)];
    let index = select(vec![IndexState::Finished, IndexState::Unfinished, IndexState::Failed]);
    let rows = (answer(), option::of(answer()), option::of(answer()), option::of(answer()));
    (
        option::of(mostly(COLLECTION, vec![7])),
        prop_oneof![4 => load.prop_map(Ok), 1 => error().prop_map(Err)],
        rows,
        index,
    )
        .prop_map(|(collection, load, (mapped, served, count, query), state)| Evidence {
            collection,
            load,
            mapped: mapped.map(|rows| Mapped { segments: rows, rows }),
            served: served.map(|served| served.map(|rows| Served { segments: rows, rows })),
            count,
            indexes: Some(Ok(vec![Index { name: "vector".into(), state, pending_rows: 0, reason: String::new() }])),
            queries: query.map(|query| vec![query]),
        })
}

const CRONS: [&str; 3] = ["*/5 * * * *", "15 2 * * *", "0 0 30 2 *"];

/// Mostly none, so that most objects ask for nothing new.
fn token() -> impl Strategy<Value = Option<String>> {
    option::weighted(0.2, select(vec!["a", "b"])).prop_map(|token| token.map(str::to_owned))
}

fn id() -> impl Strategy<Value = i64> {
    select(vec![0, 7, OLD - 1, OLD, NEW, NEW + 1, i64::MAX])
}

fn id_text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        2 => Just(None),
        4 => id().prop_map(|id| Some(id.to_string())),
        1 => select(vec!["", "seven", "-3", "9e99", "99999999999999999999"]).prop_map(|text| Some(text.to_owned())),
    ]
}

/// What makes sense, and now and then something else.
fn mostly<T: Clone + Debug + 'static>(usual: T, others: Vec<T>) -> impl Strategy<Value = T> {
    prop_oneof![8 => Just(usual), 2 => select(others)]
}

fn source() -> impl Strategy<Value = String> {
    mostly(SOURCE, vec!["s3://else/", ""]).prop_map(str::to_owned)
}

fn number_text(usual: i64) -> impl Strategy<Value = Option<String>> {
    prop_oneof![4 => Just(Some(usual.to_string())), 1 => id_text()]
}

fn time_text() -> impl Strategy<Value = Option<String>> {
    option::of(now().prop_map(|time| time.to_string()))
}

fn run() -> BoxedStrategy<Value> {
    let fingerprint = select(vec![want().fingerprint, "v1:another".to_owned(), "v9:later".to_owned(), String::new()]);
    let claim =
        (-2..6_i64, time_text(), number_text(COLLECTION), option::weighted(0.9, Just(ENDPOINT)), option::of(source()));
    let completed = option::weighted(0.2, now().prop_map(|time| time.to_string()));
    let marks =
        (number_text(OLD), (time_text(), completed), prop_oneof![2 => Just(Vec::new()), 1 => vec(id_text(), 0..=32)]);
    let waits = (token(), token(), option::weighted(0.2, now()), -1..90_i64, -1..4_i64, option::weighted(0.2, now()));
    let proof =
        (prop::bool::weighted(0.7), -1..6_i64, option::weighted(0.1, select(vec!["InvalidSpec", "UnsupportedServer"])));
    let counts = (any::<(bool, bool)>(), -1..5_i64, proof);
    (-1..4_i64, 0..4_i64, fingerprint, time_text(), claim, marks, counts, waits).prop_map(
        |(number, generation, fingerprint, queued, claim, marks, ((seen, adopted), unproven, proof), waits)| {
            let (named, proven, refusal) = proof;
            let id = if named { format!("{number}-{}-{:016x}", claim.0, 99) } else { "1-1-by hand".to_owned() };
            let (trigger, requested, suspended, held, failures, next_attempt) = waits;
            let ended: Vec<String> = marks.2.into_iter().flatten().collect();
            json!({
                "number": number, "generation": generation, "fingerprint": fingerprint, "queuedTime": queued.clone(),
                "attempt": claim.0, "claimID": id, "provenClaims": proven,
                "refusal": refusal.map(|reason| json!({ "reason": reason, "message": "No." })), "submitTime": claim.1, "collectionID": claim.2,
                "endpoint": claim.3, "externalSource": claim.4, "jobIDWatermark": marks.0, "startTimeWatermark": marks.1.0, "jobCompletionTime": marks.1.1,
                "trigger": trigger, "requestedAt": requested, "suspendedSeconds": held, "failures": failures,
                "suspendedTime": suspended.map(|time| time.to_string()),
                "nextAttemptTime": next_attempt.map(|time| time.to_string()),
                "sourceVersion": "1", "sourceLook": queued.map(|time| json!({ "time": time })),
                "jobSeen": seen, "endedJobIDs": ended, "unprovenSubmits": unproven, "adopted": adopted,
            })
        },
    )
    .boxed()
}

fn conditions() -> impl Strategy<Value = Value> {
    let reasons: Vec<String> = Reason::GOING_ON
        .into_iter()
        .chain([Reason::RefreshCompleted, Reason::Idle])
        .chain(FailureClass::ALL.into_iter().map(Reason::Failed))
        .map(|reason| reason.as_str().to_owned())
        .chain(
            ["ThatOfALaterVersion", "InvalidSchedule", "NotServed", "Passed", "UpToDate", "CheckFailed"]
                .map(str::to_owned),
        )
        .collect();
    let types = mostly("Ready", vec!["Suspended", "Stalled", "Complete", "Verified", "SourceFresh"]);
    option::of((types, select(reasons), select(vec!["True", "False", "Unknown"]))).prop_map(|condition| {
        condition.map_or(json!([]), |(type_, reason, status)| {
            json!([{ "type": type_, "status": status, "reason": reason, "message": "As it stood.",
                     "lastTransitionTime": "2026-01-01T00:00:00Z" }])
        })
    })
}

/// What can stand in a status: written by this version, another one, or by hand.
pub fn status() -> BoxedStrategy<RefreshStatus> {
    let states = vec!["RefreshInProgress", "RefreshCompleted", "RefreshFailed", "RefreshExploded"];
    let state = prop_oneof![1 => Just("RefreshPending"), 1 => select(states)];
    let id = prop_oneof![Just(None), id_text()];
    let job = (option::weighted(0.9, state), option::of(-5..120_i64), id, time_text(), time_text());
    let class = option::of(select(vec!["JobLost", "Unknown", "MoonPhase"]));
    let success = (id_text(), time_text());
    let queue = option::of(1..=3);
    let schedule =
        (select(CRONS.to_vec()), select(vec!["Europe/Berlin", "Etc/UTC"]), time_text(), time_text(), time_text());
    let clock =
        (option::weighted(0.3, schedule), option::weighted(0.2, select(vec![want().fingerprint, String::new()])));
    let outcomes = vec!["Passed", "Failed", "Inconclusive", "Error", "Perhaps"];
    let checked = (option::of(select(outcomes)), 0..4_i64, 0..4_i64, time_text(), time_text(), option::of(0..3_i64));
    let clock = (clock, option::weighted(0.5, checked), option::weighted(0.4, watched()));
    let handled = (vec(select(vec!["a", "b", "c"]), 0..3), token(), past_runs(), clock);
    (option::of(-1..4_i64), job, option::weighted(0.9, run()), queue, class, conditions(), success, handled).prop_map(
        |(
            observed,
            (state, progress, job, start, end),
            run,
            queue,
            class,
            conditions,
            (success, success_time),
            handled,
        )| {
            let failure = class.map(|class| json!({ "class": class }));
            let ((schedule, baseline), checked, watched) = handled.3;
            let schedule = schedule.map(|(cron, zone, since, last, next)| {
                json!({ "cron": cron, "timeZone": zone, "since": since, "lastScheduleTime": last, "nextScheduleTime": next })
            });
            let verification = checked.map(|(outcome, run, generation, start, failing, rows)| {
                json!({ "outcome": outcome, "run": run, "observedGeneration": generation, "startTime": start,
                        "failingSince": failing, "mappedRows": rows, "previousRows": rows,
                        "checks": [{ "name": "served", "outcome": outcome.unwrap_or("Passed"), "observed": rows }] })
            });
            let status = json!({
                "verification": verification, "watch": watched,
                "schedule": schedule, "baseline": baseline.map(|fingerprint| json!({ "fingerprint": fingerprint })),
                "observedGeneration": observed, "state": state, "progress": progress, "jobID": job, "startTime": start,
                "completionTime": end, "run": run, "queuePosition": queue, "failure": failure,
                "conditions": conditions,
                "handledTriggers": handled.0, "pendingRequest": handled.1.as_ref().map(|_| "a"), "lastHandledRequest": handled.1, "history": handled.2,
                "lastSuccessfulJobID": success, "lastSuccessfulTime": success_time,
            });
            serde_json::from_value(status).expect("every status decodes")
        },
    )
    .boxed()
}

fn past_runs() -> impl Strategy<Value = Vec<Value>> {
    let states = select(vec!["RefreshCompleted", "RefreshFailed", "RefreshExploded"]);
    let run = (-1..4_i64, states, id_text(), option::of(select(vec!["JobLost", "MoonPhase"])), time_text());
    let run = run.prop_map(|(number, state, job, class, end)| {
        json!({ "number": number, "state": state, "jobID": job, "class": class, "completionTime": end })
    });
    vec(run, 0..=12)
}

fn job() -> impl Strategy<Value = Job> {
    let states =
        vec![JobState::Pending, JobState::InProgress, JobState::Completed, JobState::Failed, JobState::Unknown(9)];
    (id(), select(states), any::<u8>(), source(), option::of(now()), option::of(now())).prop_map(
        |(id, state, progress, source, start_time, end_time)| Job {
            id: JobId(id),
            collection: "products".into(),
            state,
            progress,
            reason: if state == JobState::Failed { "timeout".into() } else { String::new() },
            source,
            start_time,
            end_time,
        },
    )
}

fn error() -> impl Strategy<Value = MilvusError> {
    (select(KINDS.to_vec()), any::<bool>()).prop_map(|(kind, from_behind)| MilvusError {
        from_behind,
        ..MilvusError::new(kind, format!("{kind:?} it is."))
    })
}

fn look() -> impl Strategy<Value = Look> {
    let collection =
        (mostly(COLLECTION, vec![7]), prop::bool::weighted(0.9), source()).prop_map(|(id, external, source)| {
            Collection { id, name: "products".into(), external, source, format: String::new() }
        });
    let source = option::weighted(0.8, last_look());
    (option::weighted(0.9, collection), vec(job(), 0..4), vec(id(), 0..2), source).prop_map(
        |(collection, jobs, taken, source)| Look {
            source,
            collection,
            jobs,
            taken: taken.into_iter().map(JobId).collect::<BTreeSet<_>>(),
            own_source: OwnSourceCheck::None,
        },
    )
}

fn fact() -> BoxedStrategy<Fact> {
    prop_oneof![
        1 => Just(Fact::Nothing),
        8 => look().prop_map(|look| Fact::Looked(Ok(look))),
        1 => error().prop_map(|error| Fact::Looked(Err(error))),
        1 => id().prop_map(|id| Fact::Submitted(Submission::Accepted(JobId(id)))),
        1 => Just(Fact::Submitted(Submission::Withheld)),
        2 => error().prop_map(|error| Fact::Submitted(Submission::Failed(error))),
        4 => job().prop_map(|job| Fact::Sighted(Some(Answer::Job(job)))),
        1 => Just(Fact::Sighted(Some(Answer::NotFound))),
        1 => Just(Fact::Sighted(None)),
        4 => evidence().prop_map(|found| Fact::Examined(Some(Ok(found)))),
        1 => error().prop_map(|error| Fact::Examined(Some(Err(error)))),
        1 => Just(Fact::Examined(None)),
    ]
    .boxed()
}

pub fn observation() -> BoxedStrategy<Observation> {
    let connection = prop_oneof![
        8 => Just(Connection::Ready { endpoint: ENDPOINT.into() }),
        1 => Just(super::scene::down()),
        1 => Just(Connection::Unknown),
    ];
    let known = prop_oneof![
        Just(Duration::ZERO),
        Just(GRACE.saturating_sub(Duration::from_millis(1))),
        Just(GRACE),
        Just(ABSENCE_WINDOW),
    ];
    let permission = prop_oneof![
        4 => Just(Permission::Granted),
        1 => Just(Permission::Withheld),
        1 => Just(Permission::Announce),
        1 => Just(Permission::Fenced),
    ];
    let turn = prop_oneof![
        8 => Just(Turn::Mine),
        1 => Just(Turn::Unknown),
        1 => option::of(1..=3_u8).prop_map(|position| Turn::Behind { position }),
    ];
    let slot = prop_oneof![8 => Just(Slot::Mine), 1 => Just(Slot::Waiting)];
    let other = || "another/products".to_owned();
    let ahead = option::of(select(vec![
        Ahead::Refresh(other()),
        Ahead::PassedOver(other()),
        Ahead::Unwritten(other()),
        Ahead::Unlisted("another".to_owned()),
    ]));
    let examined = option::of(select(vec![Duration::ZERO, Duration::from_secs(40)]));
    (connection, known, permission, (turn, ahead), slot, fact(), (examined, scouted()))
        .prop_map(|(connection, claim_known, permission, (turn, ahead), slot, fact, (examined, scouted))| Observation {
            connection,
            claim_known,
            permission,
            operator: OPERATOR.into(),
            turn,
            ahead,
            slot,
            examined,
            scouted,
            luck: 0.5,
            nonce: 7,
            fact,
        })
        .boxed()
}
