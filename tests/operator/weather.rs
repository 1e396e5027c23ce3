//! Bad weather between the operator and Milvus: each cause has its own reason, and it recovers when the cause goes.

use std::time::Duration;

use milvus_simulator::{Fault, Login, Method, Outcome, Plan, Settings, Simulator, Verdict, When};

use crate::harness::{LONG, World, ready, status};

const INSTANT: Plan = Plan {
    pending: Duration::ZERO,
    duration: Duration::ZERO,
    jitter: 0.0,
    tasks: 1,
    outcome: Outcome::Complete,
    stumble: String::new(),
    setbacks: 0,
    unrecorded: Duration::ZERO,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_connection_is_named_and_the_refresh_goes_on_when_it_comes() {
    let world = World::without_operator().await;
    world.milvus.create_collection("products", INSTANT);
    world.start_operator();
    world.create("products", "products").await;
    let waiting = world.until_reason("products", "ConnectionNotReady").await;
    assert!(ready(&waiting).unwrap().message.starts_with("NotFound: MilvusConnection default"));
    world.connect(None).await;
    world.until_ended("products").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_then_a_wrong_password_then_the_right_one() {
    let world = World::without_operator().await;
    world.milvus.create_collection("products", INSTANT);
    let login = Login::Password { user: "root".to_owned(), password: "right".to_owned() };
    world.milvus.configure(|settings| settings.login = Some(login));
    world.connect(Some("login")).await;
    world.start_operator();
    world.create("products", "products").await;
    let begins = |reason: &'static str| move |object: &_| ready(object).is_some_and(|r| r.message.starts_with(reason));
    world.until("products", "told of the missing Secret", begins("SecretNotFound: Secret login")).await;
    world.put_login("login", "root", "wrong").await;
    let refused = world.until("products", "told of the refused login", begins("Unauthenticated")).await;
    assert!(!format!("{:?}", refused.status).contains("wrong"), "no credential in a status");
    world.put_login("login", "root", "right").await;
    world.until_ended("products").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_milvus_that_is_down_is_waited_for() {
    let world = World::without_operator().await;
    world.milvus.create_collection("products", INSTANT);
    world.milvus.pause().await;
    world.connect(None).await;
    world.start_operator();
    world.create("products", "products").await;
    let waiting = world.until_reason("products", "ConnectionNotReady").await;
    assert!(ready(&waiting).unwrap().message.starts_with("Unreachable"));
    world.milvus.resume().await.unwrap();
    world.until_ended("products").await;
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_milvus_that_goes_away_while_a_job_runs_leaves_the_job_fields() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::hangs());
    world.create("products", "products").await;
    let running = world.until("products", "started", |object| status(object).job_id.is_some()).await;
    world.milvus.pause().await;
    let away = world.until_reason("products", "ConnectionNotReady").await;
    assert_eq!(status(&away).job_id, status(&running).job_id);
    assert_eq!(ready(&away).unwrap().status, "Unknown");
    world.milvus.resume().await.unwrap();
    world.until_reason("products", "RefreshInProgress").await;
    let job = world.milvus.accepted_starts("default", "products")[0];
    world.milvus.finish_job(job, Outcome::Complete);
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_milvus_without_the_refresh_api_is_called_too_old_until_it_is_upgraded() {
    let world = World::without_operator().await;
    world.milvus.create_collection("products", INSTANT);
    world.milvus.configure(|settings| settings.too_old = true);
    world.connect(None).await;
    world.start_operator();
    world.create("products", "products").await;
    let waiting = world.until_reason("products", "ConnectionNotReady").await;
    assert!(ready(&waiting).unwrap().message.starts_with("UnsupportedServer"));
    let connection = world.connections().get("default").await.unwrap();
    assert_eq!(connection.status.unwrap().server_version, Some(Settings::default().version));
    world.milvus.configure(|settings| settings.too_old = false);
    world.until_ended("products").await;
}

/// How many calls a fault has struck.
fn struck(milvus: &Simulator, fault: &Fault) -> usize {
    let calls = milvus.journal();
    calls.iter().filter(|call| call.fault.as_ref() == Some(fault) && call.verdict != Verdict::Open).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_answers_to_polls_neither_end_nor_stop_a_refresh() {
    for fault in [
        Fault::Garbage,
        Fault::MissingJobInfo,
        Fault::OtherJobId,
        Fault::UnknownState,
        Fault::RegressToPending,
        Fault::Delay(Duration::from_secs(2)),
        Fault::Status { code: 13, text: "internal".to_owned(), when: When::Before },
        Fault::Milvus { code: 5, reason: "service internal".to_owned(), when: When::Before },
    ] {
        let world = World::new().await;
        world.milvus.create_collection("products", Plan::hangs());
        // A poll that fails has the connection looked at, by a call that is struck as well.
        world.milvus.fault(Method::Progress, fault.clone().forever());
        world.create("products", "products").await;
        let all = world.milvus.wait_until(|milvus| struck(milvus, &fault) >= 4);
        let all = tokio::time::timeout(LONG, all).await;
        all.unwrap_or_else(|_| {
            panic!("{fault:?} struck {} polls\n{}", struck(&world.milvus, &fault), world.log_tail())
        });
        let running = world.refreshes().get("products").await.unwrap();
        assert_eq!(status(&running).completion_time, None, "{fault:?}");
        world.milvus.clear_faults();
        world.milvus.finish_job(world.milvus.accepted_starts("default", "products")[0], Outcome::Complete);
        let done = world.until_ended("products").await;
        assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"), "{fault:?}");
        assert_eq!(world.starts("products"), 1, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_first_seen_without_a_reason_ends_with_its_reason() {
    let world = World::new().await;
    let plan = Plan::fails_in(Duration::from_secs(1), "no files found in external source");
    world.milvus.create_collection("orders", plan.recorded_after(Duration::from_secs(8)));
    world.create("orders", "orders").await;
    let failed = world.until_ended("orders").await;
    assert_eq!(status(&failed).reason.as_deref(), Some("no files found in external source"));
    // Another class would be tried again, in vain.
    assert_eq!(status(&failed).failure.as_ref().unwrap().class, "SourceEmpty");
    assert_eq!(world.starts("orders"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_stumbles_and_is_set_back_ends_as_it_ends() {
    let world = World::new().await;
    world
        .milvus
        .create_collection("products", Plan::hangs().stumbling("no files found in external source").set_back(2));
    world.create("products", "products").await;
    world.until("products", "started", |object| status(object).job_id.is_some()).await;
    // Of its minute the job spends a while in the queue again, with the reason of its first failure.
    world.milvus.advance(Duration::from_secs(41));
    let polls = world.milvus.calls(Method::Progress) + 3;
    let polled = world.milvus.wait_until(|milvus| milvus.calls(Method::Progress) >= polls);
    tokio::time::timeout(LONG, polled).await.expect("polls");
    let running = world.refreshes().get("products").await.unwrap();
    assert_eq!(status(&running).completion_time, None);
    world.milvus.finish_job(world.milvus.accepted_starts("default", "products")[0], Outcome::Complete);
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!((&status(&done).reason, &status(&done).failure.is_none()), (&None, &true));
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_the_proxy_repeats_meets_its_own_job_and_takes_it() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::from_secs(3)));
    world.milvus.fault(Method::Refresh, Fault::RepeatedByProxy);
    world.create("products", "products").await;
    let done = world.until_ended("products").await;
    assert_eq!(struck(&world.milvus, &Fault::RepeatedByProxy), 1);
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(status(&done).job_id, Some(world.milvus.accepted_starts("default", "products")[0].to_string()));
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_megabytes_that_comes_slowly_holds_nothing_up() {
    let world = World::new().await;
    world.milvus.create_collection("products", INSTANT);
    world.milvus.add_past_jobs("default", "products", 3_000, &"a long chain of wrapped errors: ".repeat(30));
    world.milvus.fault(Method::List, Fault::Delay(Duration::from_secs(5)).forever());
    world.create("products", "products").await;
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_whose_reply_is_lost_is_found_and_not_repeated() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::from_secs(3)));
    world.milvus.fault(Method::Refresh, Fault::DropReplyAfterEffect);
    world.create("products", "products").await;
    world.until_reason("products", "OutcomeUnknown").await;
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    assert!(status(&done).run.as_ref().unwrap().adopted);
    assert_eq!(world.starts("products"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_never_came_into_being_is_repeated_once_that_is_proven() {
    let world = World::new().await;
    world.milvus.create_collection("products", INSTANT);
    world.milvus.fault(Method::Refresh, Fault::LoseAcceptedJob);
    world.create("products", "products").await;
    let done = world.until_ended("products").await;
    assert_eq!(status(&done).state.as_deref(), Some("RefreshCompleted"));
    let run = status(&done).run.clone().unwrap();
    assert_eq!((run.attempt, run.unproven_submits), (2, 1));
    assert_eq!(world.starts("products"), 1);
}
