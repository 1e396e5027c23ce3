//! What faults do to calls and what the journal says of it.

use super::*;

fn verdicts(simulator: &Simulator, method: Method) -> Vec<Verdict> {
    simulator.journal().into_iter().filter(|call| call.method == method).map(|call| call.verdict).collect()
}

#[tokio::test]
async fn a_lost_reply_leaves_a_live_job() {
    let (simulator, mut client) = milvus().await;
    simulator.fault(Method::Refresh, Fault::DropReplyAfterEffect);
    assert_eq!(client.refresh("products").await.unwrap_err().code(), Code::Unavailable);
    let starts = simulator.accepted_starts("default", "products");
    assert_eq!(starts.len(), 1);
    assert_eq!(client.listed("default", "products").await, [starts[0].0]);
    assert_eq!(verdicts(&simulator, Method::Refresh), [Verdict::Accepted(starts[0])]);
    assert_eq!(simulator.journal()[0].fault, Some(Fault::DropReplyAfterEffect));
}

#[tokio::test]
async fn errors_strike_before_or_after_the_effect() {
    let status = |when| Fault::Status { code: 13, text: "broken".into(), when };
    let milvus_error = |when| Fault::Milvus { code: 65535, reason: "broken".into(), when };
    for (when, starts) in [(When::Before, 0), (When::After, 1)] {
        let (simulator, mut client) = milvus().await;
        simulator.fault(Method::Refresh, status(when));
        let error = client.refresh("products").await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Internal, "broken"));
        assert_eq!(simulator.accepted_starts("default", "products").len(), starts);

        let (simulator, mut client) = milvus().await;
        simulator.fault(Method::Refresh, milvus_error(when));
        let answer = client.refresh("products").await.unwrap();
        assert_eq!((code(&answer.status), reason(&answer.status), answer.job_id), (65535, "broken", 0));
        assert_eq!(simulator.accepted_starts("default", "products").len(), starts);
    }
}

#[tokio::test]
async fn faults_strike_in_order_as_often_as_asked() {
    let (simulator, mut client) = milvus().await;
    let status = |code| Fault::Status { code, text: String::new(), when: When::Before };
    simulator.fault(Method::Version, status(2).times(2));
    simulator.fault(Method::Version, status(8));
    simulator.fault(Method::Version, status(9).times(0));
    simulator.fault(Method::Version, status(13).forever());
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(i32::from(client.version().await.unwrap_err().code()));
    }
    assert_eq!(codes, [2, 2, 8, 13, 13]);
    assert!(client.describe("default", "products").await.is_ok());
    simulator.clear_faults();
    assert!(client.version().await.is_ok());
    assert_eq!(simulator.calls(Method::Version), 6);
}

#[tokio::test]
async fn an_abandoned_call_takes_effect_when_released_in_time() {
    let (simulator, client) = milvus().await;
    simulator.fault(Method::Refresh, Fault::HangBeforeEffect);
    let call = tokio::spawn({
        let mut client = client.clone();
        async move { client.refresh("products").await }
    });
    bounded(simulator.wait_until(|simulator| simulator.calls(Method::Refresh) == 1)).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(verdicts(&simulator, Method::Refresh), [Verdict::Open]);
    simulator.release();
    bounded(simulator.wait_until(|simulator| !simulator.accepted_starts("default", "products").is_empty())).await;
}

#[tokio::test]
async fn no_effect_comes_after_the_server_side_deadline() {
    for fault in [Fault::HangBeforeEffect, Fault::Delay(120 * SECOND)] {
        let (simulator, client) = milvus().await;
        simulator.fault(Method::Refresh, fault);
        let call = tokio::spawn({
            let mut client = client.clone();
            async move { client.refresh("products").await }
        });
        bounded(simulator.wait_until(|simulator| simulator.calls(Method::Refresh) == 1)).await;
        simulator.advance(61 * SECOND);
        simulator.release();
        assert_eq!(bounded(call).await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        assert!(simulator.accepted_starts("default", "products").is_empty());
        let [Verdict::Status { code: 4, .. }] = verdicts(&simulator, Method::Refresh)[..] else {
            panic!("{:?}", simulator.journal());
        };
    }
}

#[tokio::test]
async fn a_delay_within_the_deadline_only_delays() {
    let (simulator, client) = milvus().await;
    simulator.fault(Method::Refresh, Fault::Delay(30 * SECOND));
    let call = tokio::spawn({
        let mut client = client.clone();
        async move { client.refresh("products").await }
    });
    bounded(simulator.wait_until(|simulator| simulator.calls(Method::Refresh) == 1)).await;
    assert_eq!(verdicts(&simulator, Method::Refresh), [Verdict::Open]);
    simulator.advance(30 * SECOND);
    let id = bounded(call).await.unwrap().unwrap().job_id;
    assert_eq!(simulator.accepted_starts("default", "products"), [JobId(id)]);
}

#[tokio::test]
async fn a_hanging_answer_comes_with_the_release() {
    let (simulator, client) = milvus().await;
    simulator.fault(Method::Refresh, Fault::HangAfterEffect);
    let call = tokio::spawn({
        let mut client = client.clone();
        async move { client.refresh("products").await }
    });
    bounded(simulator.wait_until(|simulator| !simulator.accepted_starts("default", "products").is_empty())).await;
    assert!(!call.is_finished());
    simulator.release();
    let id = bounded(call).await.unwrap().unwrap().job_id;
    assert_eq!(simulator.accepted_starts("default", "products"), [JobId(id)]);
}

#[tokio::test]
async fn a_hanging_answer_outlasts_the_client() {
    let (simulator, mut client) = milvus().await;
    client.timeout = SECOND / 20;
    simulator.fault(Method::Version, Fault::HangAfterEffect);
    let code = bounded(client.version()).await.unwrap_err().code();
    assert!(matches!(code, Code::DeadlineExceeded | Code::Cancelled), "{code:?}");
}

#[tokio::test]
async fn garbage_is_no_message() {
    let (simulator, mut client) = milvus().await;
    simulator.fault(Method::Progress, Fault::Garbage);
    simulator.fault(Method::Refresh, Fault::Garbage);
    let id = simulator.start_foreign_job("default", "products").unwrap().0;
    assert_eq!(client.progress(id).await.unwrap_err().code(), Code::Internal);
    assert_eq!(client.job(id).await.job_id, id);
    assert_eq!(client.refresh("products").await.unwrap_err().code(), Code::Internal);
}

#[tokio::test]
async fn an_accepted_job_can_get_lost() {
    let (simulator, mut client) = milvus().await;
    simulator.fault(Method::Refresh, Fault::LoseAcceptedJob);
    let id = client.start("products").await;
    assert_eq!(code(&client.progress(id).await.unwrap().status), 1100);
    assert!(client.listed("default", "products").await.is_empty());
    assert!(simulator.accepted_starts("default", "products").is_empty());
    assert_eq!(verdicts(&simulator, Method::Refresh), [Verdict::Lost(JobId(id))]);
    client.start("products").await;
}

#[tokio::test]
async fn answers_about_jobs_can_be_odd() {
    let (simulator, mut client) = milvus().await;
    simulator.set_plan("default", "products", Plan::completes_in(HOUR));
    let id = client.start("products").await;
    simulator.advance(HOUR / 2);
    for fault in [Fault::MissingJobInfo, Fault::OtherJobId, Fault::UnknownState, Fault::RegressToPending] {
        simulator.fault(Method::Progress, fault);
    }
    assert!(client.progress(id).await.unwrap().job_info.is_none());
    assert_ne!(client.job(id).await.job_id, id);
    assert_eq!(client.job(id).await.state, 42);
    let pending = client.job(id).await;
    assert_eq!((pending.state(), pending.progress), (State::RefreshPending, 0));
    let usual = client.job(id).await;
    assert_eq!((usual.job_id, usual.state(), usual.progress), (id, State::RefreshInProgress, 50));
    simulator.fault(Method::List, Fault::UnknownState);
    assert_eq!(client.list("default", "products").await.unwrap().jobs[0].state, 42);
}

#[tokio::test]
async fn a_failure_is_first_seen_without_reason_and_end() {
    let (simulator, mut client) = milvus().await;
    simulator.set_plan("default", "products", Plan::fails_in(HOUR / 2, "task result not found"));
    simulator.fault(Method::Progress, Fault::FailedFirstWithoutReason);
    let id = client.start("products").await;
    assert_eq!(client.job(id).await.state(), State::RefreshInProgress);
    simulator.advance(HOUR);
    let first = client.job(id).await;
    assert_eq!((first.state(), first.reason.as_str(), first.end_time), (State::RefreshFailed, "", 0));
    let then = client.job(id).await;
    assert_eq!((then.state(), then.reason.as_str()), (State::RefreshFailed, "task result not found"));
    assert!(then.end_time > 0);
}

#[tokio::test]
async fn the_journal_tells_who_asked_for_what() {
    let (simulator, mut client) = milvus().await;
    let id = client.start("products").await;
    client.progress(id).await.unwrap();
    client.refresh("missing").await.unwrap();
    let calls: Vec<_> = simulator.journal();
    assert!(calls.is_sorted_by_key(|call| call.at));
    let seen: Vec<_> =
        calls.iter().map(|call| (call.method, call.collection.as_str(), call.job, &call.verdict)).collect();
    let reason = "collection not found[database=default][collection=missing]".to_owned();
    assert_eq!(
        seen,
        [
            (Method::Refresh, "products", None, &Verdict::Accepted(JobId(id))),
            (Method::Progress, "", Some(JobId(id)), &Verdict::Answered),
            (Method::Refresh, "missing", None, &Verdict::Refused { code: 100, reason }),
        ]
    );
    assert_eq!((simulator.calls(Method::Refresh), simulator.calls(Method::List)), (2, 0));
}
