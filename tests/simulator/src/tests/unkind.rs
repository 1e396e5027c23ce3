//! What Milvus may do to its clients besides failing.

use super::*;

#[tokio::test]
async fn a_job_that_has_stumbled_shows_why_until_it_ends() {
    for (plan, at_the_end) in [
        (Plan::completes_in(HOUR / 2), ""),
        (Plan::fails_in(HOUR / 2, "task not found"), "task not found"),
        (Plan::completes_in(HOUR + HOUR / 2), "timeout, last failure: query task failed"),
    ] {
        let (simulator, mut client) = milvus().await;
        simulator.set_plan("default", "products", plan.stumbling("query task failed"));
        let id = client.start("products").await;
        assert_eq!(client.job(id).await.reason, "");
        // The real clock runs as well, and a machine may be slow.
        simulator.advance(HOUR / 2 - 100 * SECOND);
        if at_the_end.starts_with("timeout") {
            simulator.advance(HOUR / 2 - 100 * SECOND);
        }
        let running = client.job(id).await;
        assert_eq!((running.state(), running.reason.as_str()), (State::RefreshInProgress, "query task failed"));
        simulator.advance(300 * SECOND);
        assert_eq!(client.job(id).await.reason, at_the_end);
    }
}

#[tokio::test]
async fn tasks_that_are_set_back_wait_again_and_begin_anew() {
    let (simulator, mut client) = milvus().await;
    simulator.set_plan("default", "products", Plan::completes_in(3000 * SECOND).set_back(1));
    let id = client.start("products").await;
    let mut seen = Vec::new();
    for _ in 0..9 {
        simulator.advance(360 * SECOND);
        let job = client.job(id).await;
        seen.push((job.state(), job.progress));
    }
    let (pending, progress, done) = (State::RefreshPending, State::RefreshInProgress, State::RefreshCompleted);
    let states: Vec<State> = seen.iter().map(|(state, _)| *state).collect();
    assert_eq!(states, [progress, progress, progress, progress, progress, progress, progress, progress, done]);
    let percents: Vec<i64> = seen.iter().map(|(_, percent)| *percent).collect();
    assert!(percents[3] > percents[4] && percents[4] < percents[5], "{percents:?}");

    let id = client.start("products").await;
    simulator.advance(1560 * SECOND);
    let set_back = client.job(id).await;
    assert_eq!((set_back.state(), set_back.progress), (pending, 0));
}

#[tokio::test]
async fn a_failure_shows_everywhere_before_it_is_recorded_and_holds_its_collection_until_then() {
    let (simulator, mut client) = milvus().await;
    let plan = Plan::fails_in(1000 * SECOND, "task not found").recorded_after(1000 * SECOND);
    simulator.set_plan("default", "products", plan);
    let id = client.start("products").await;
    simulator.advance(1500 * SECOND);
    let listed = client.list("default", "products").await.unwrap().jobs.remove(0);
    for job in [client.job(id).await, listed] {
        assert_eq!((job.state(), job.reason.as_str(), job.end_time), (State::RefreshFailed, "", 0));
    }
    assert_eq!(code(&client.refresh("products").await.unwrap().status), 703);
    simulator.advance(1000 * SECOND);
    let recorded = client.job(id).await;
    assert_eq!((recorded.state(), recorded.reason.as_str()), (State::RefreshFailed, "task not found"));
    assert!(recorded.end_time > recorded.start_time + 1_999_000);
    client.start("products").await;
}

#[tokio::test]
async fn the_order_of_the_ids_need_not_be_that_of_the_starts() {
    for (ids, rise) in [(Ids::Rising, true), (Ids::Shuffled(8), false)] {
        let (simulator, mut client) = milvus_with(Settings { ids, ..Settings::default() }).await;
        simulator.set_plan("default", "products", Plan::completes_in(Duration::ZERO));
        let mut started = Vec::new();
        for _ in 0..30 {
            started.push(JobId(client.start("products").await));
        }
        assert_eq!(started.is_sorted(), rise, "{started:?}");
        assert_eq!(simulator.jobs_by_start(), started);
        started.sort();
        started.dedup();
        assert_eq!(started.len(), 30, "no id is given out twice");
    }
}

#[tokio::test]
async fn a_submit_that_the_proxy_repeats_meets_its_own_job_or_makes_two() {
    let (simulator, mut client) = milvus().await;
    simulator.fault(Method::Refresh, Fault::RepeatedByProxy);
    let answer = client.refresh("products").await.unwrap();
    let starts = simulator.accepted_starts("default", "products");
    assert_eq!(starts.len(), 1);
    assert_eq!(code(&answer.status), 703);
    assert!(reason(&answer.status).contains(&format!("refresh job {} is", starts[0])), "{answer:?}");
    assert_eq!(simulator.journal()[0].verdict, Verdict::Accepted(starts[0]));

    simulator.create_collection("orders", Plan::completes_in(Duration::ZERO));
    simulator.fault(Method::Refresh, Fault::RepeatedByProxy);
    let id = client.start("orders").await;
    let starts = simulator.accepted_starts("default", "orders");
    assert_eq!((starts.len(), starts[1]), (2, JobId(id)));
    assert_eq!(simulator.journal()[1].verdict, Verdict::AcceptedTwice(starts[0], starts[1]));
}

#[tokio::test]
async fn a_fault_that_found_nothing_to_strike_is_not_in_the_journal() {
    let (simulator, mut client) = milvus().await;
    let id = client.start("products").await;
    simulator.advance(HOUR);
    for fault in [Fault::RegressToPending, Fault::FailedFirstWithoutReason] {
        simulator.fault(Method::Progress, fault);
        client.job(id).await;
    }
    simulator.fault(Method::Refresh, Fault::LoseAcceptedJob);
    simulator.fault(Method::Refresh, Fault::RepeatedByProxy);
    for _ in 0..2 {
        assert_eq!(code(&client.refresh("missing").await.unwrap().status), 100);
    }
    assert!(simulator.journal().iter().all(|call| call.fault.is_none()), "{:#?}", simulator.journal());
    simulator.clear_faults();
    simulator.fault(Method::Progress, Fault::MissingJobInfo);
    client.progress(id).await.unwrap();
    assert_eq!(simulator.journal().last().unwrap().fault, Some(Fault::MissingJobInfo));
}

#[tokio::test]
async fn jobs_of_the_past_make_lists_of_megabytes() {
    let (simulator, mut client) = milvus().await;
    simulator.add_past_jobs("default", "products", 3_000, &"a long chain of wrapped errors: ".repeat(30));
    client.service = client.service.max_decoding_message_size(64 << 20);
    let answer = client.list("default", "products").await.unwrap();
    assert_eq!(answer.jobs.len(), 3_000);
    assert!(prost::Message::encoded_len(&answer) > 3 << 20);
    assert!(answer.jobs.iter().all(|job| job.state() == State::RefreshFailed && job.end_time > 0));
    client.start("products").await;
}
