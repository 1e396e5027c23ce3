use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::{Instant, advance, sleep};

use super::{
    super::{Ended, LEASE_DURATION, Leadership, Loss, RENEW_DEADLINE, identity},
    api::{Fate, Server},
    replica::{AHEAD, Replica, SLOW, until},
};

const SECOND: Duration = Duration::from_secs(1);

fn lost(ended: Ended<()>) -> Loss {
    match ended {
        Ended::Lost(loss) => loss,
        Ended::Stopped | Ended::Done(()) => panic!("the lease was not lost: {ended:?}"),
    }
}

fn set_holder(lease: &mut Option<Lease>, holder: &str) {
    lease.as_mut().unwrap().spec.as_mut().unwrap().holder_identity = Some(holder.to_owned());
}

#[test]
fn without_election_a_process_leads_always() {
    assert!(Leadership::without_election().leads());
}

#[tokio::test(start_paused = true)]
async fn a_process_leads_up_to_the_end_of_its_time_and_not_at_it() {
    let end = Instant::now() + SECOND;
    let (_lease, until) = tokio::sync::watch::channel(Some(end));
    let leadership = Leadership::until(until);
    advance(SECOND - Duration::from_millis(1)).await;
    assert!(leadership.leads());
    advance(Duration::from_millis(1)).await;
    assert!(!leadership.leads());
}

#[tokio::test(start_paused = true)]
async fn pauses_are_shortened_so_that_replicas_do_not_ask_together_and_never_lengthened() {
    let server = Server::default();
    let _leader = Replica::leading(&server, "a").await;
    let standby = Replica::start_with(server.line(), "b", AHEAD, Duration::ZERO);
    sleep(60 * SECOND).await;
    // A random number of 0.9 takes 22.5 % off each second.
    let looks = standby.line.requests().len();
    assert!((75..=80).contains(&looks), "{looks} reads in a minute");
}

#[test]
fn one_host_has_another_identity_at_each_start() {
    assert_eq!(identity("pod-1", 255), "pod-1_00000000000000ff");
    assert_ne!(identity("pod-1", 1), identity("pod-1", 2));
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_one_leads_and_the_other_only_reads() {
    let server = Server::default();
    let leader = Replica::leading(&server, "a").await;
    let standby = Replica::start(&server, "b");
    let start = Instant::now();
    while start.elapsed() < 60 * SECOND {
        assert!(leader.leads() && !standby.leads());
        sleep(SECOND / 10).await;
    }
    assert_eq!((server.holder().as_deref(), server.transitions()), (Some("a"), Some(0)));
    assert!(standby.line.requests().iter().all(|verb| *verb == "get"));
    // The promised cost: a renewal each two seconds, a look each second.
    assert!((28..=32).contains(&server.writes()), "{} writes in a minute", server.writes());
    assert!((55..=65).contains(&standby.line.requests().len()), "{} reads in a minute", standby.line.requests().len());
}

#[tokio::test(start_paused = true)]
async fn a_killed_leader_is_replaced_in_less_than_twenty_seconds_and_not_before_its_lease_has_run_out() {
    let server = Server::default();
    let leader = Replica::leading(&server, "a").await;
    let standby = Replica::start(&server, "b");
    sleep(30 * SECOND).await;
    leader.kill().await;
    let killed = Instant::now();
    standby.until_leading().await;
    assert!(killed.elapsed() < 20 * SECOND, "{:?}", killed.elapsed());
    assert_eq!((server.holder().as_deref(), server.transitions()), (Some("b"), Some(1)));
    assert_eq!(server.wrongs(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_leader_is_replaced_in_less_than_two_seconds() {
    let server = Server::default();
    let leader = Replica::leading(&server, "a").await;
    let standby = Replica::start(&server, "b");
    sleep(30 * SECOND).await;
    leader.stop.cancel();
    let stopped = Instant::now();
    assert!(matches!(leader.ended().await, Ended::Done(())));
    standby.until_leading().await;
    assert!(stopped.elapsed() < 2 * SECOND, "{:?}", stopped.elapsed());
    assert_eq!(server.transitions(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_renewed_until_the_work_has_come_to_its_end() {
    let server = Server::default();
    let leader = Replica::start_with(server.line(), "a", SLOW, 60 * SECOND);
    let standby = Replica::start(&server, "b");
    leader.until_leading().await;
    leader.stop.cancel();
    let stopped = Instant::now();
    while stopped.elapsed() < 59 * SECOND {
        assert!(leader.leads() && !standby.leads());
        sleep(SECOND / 10).await;
    }
    let leadership = leader.leadership.clone();
    assert!(matches!(leader.ended().await, Ended::Done(())));
    assert!(!leadership.leads());
    standby.until_leading().await;
}

#[tokio::test(start_paused = true)]
async fn wall_clocks_that_disagree_by_centuries_or_stand_still_change_nothing() {
    for (first, second) in [(SLOW, AHEAD), (AHEAD, SLOW)] {
        let server = Server::default();
        let leader = Replica::start_with(server.line(), "a", first, Duration::ZERO);
        leader.until_leading().await;
        let standby = Replica::start_with(server.line(), "b", second, Duration::ZERO);
        sleep(100 * SECOND).await;
        assert!(leader.leads() && !standby.leads());
        leader.kill().await;
        standby.until_leading().await;
        assert_eq!(server.wrongs(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_for_longer_than_the_renew_deadline_ends_the_leadership() {
    for away in [Fate::REQUEST_LOST, Fate::REPLY_LOST, Fate::Refused] {
        let server = Server::default();
        let leader = Replica::leading(&server, "a").await;
        let standby = Replica::start(&server, "b");
        sleep(5 * SECOND).await;
        leader.line.weather(move |_| away);
        let last = Instant::now();
        until(|| !leader.leads()).await;
        assert!(last.elapsed() <= RENEW_DEADLINE, "{:?}", last.elapsed());
        assert!(!standby.leads(), "{away:?}: there is a pause between two leaders");
        let loss = lost(leader.ended().await);
        let why = if matches!(away, Fate::Refused) { "ServiceUnavailable (HTTP 503)" } else { "did not answer" };
        assert!(matches!(&loss, Loss::Expired(failure) if failure.contains(why)), "{loss}");
        assert!(last.elapsed() <= RENEW_DEADLINE + SECOND / 10, "the loss is told at once");
        standby.until_leading().await;
        assert_eq!(server.wrongs(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_for_a_moment_costs_nothing() {
    for away in [Fate::REQUEST_LOST, Fate::REPLY_LOST, Fate::Refused] {
        let server = Server::default();
        let leader = Replica::leading(&server, "a").await;
        for _ in 0..10 {
            leader.line.weather(move |_| away);
            sleep(3 * SECOND).await;
            leader.line.weather(|_| Fate::FINE);
            sleep(10 * SECOND).await;
            assert!(leader.leads(), "{away:?}");
        }
        assert_eq!(server.transitions(), Some(0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_write_whose_reply_is_lost_is_found_to_be_ours() {
    let server = Server::default();
    let line = server.line();
    line.once("post", Fate::REPLY_LOST);
    let leader = Replica::start_with(line, "a", SLOW, Duration::ZERO);
    until(|| server.holder().is_some()).await;
    assert!(!leader.leads(), "nothing has told it that it leads");
    leader.until_leading().await;
    assert_eq!((server.holder().as_deref(), server.transitions()), (Some("a"), Some(0)));
}

#[tokio::test(start_paused = true)]
async fn time_is_counted_from_before_a_renewal_is_sent() {
    let server = Server::default();
    let line = server.line();
    line.once("post", Fate::slow(0, 4000));
    let start = Instant::now();
    let leader = Replica::start_with(line, "a", SLOW, Duration::ZERO);
    leader.until_leading().await;
    assert!(start.elapsed() >= 4 * SECOND);
    leader.line.weather(|_| Fate::REQUEST_LOST);
    until(|| !leader.leads()).await;
    assert!(start.elapsed() <= RENEW_DEADLINE + SECOND / 10, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn time_until_a_takeover_is_counted_from_the_reply_that_showed_the_last_change() {
    let server = Server::default();
    let leader = Replica::leading(&server, "a").await;
    let line = server.line();
    // Each look at the lease takes four seconds to arrive: it shows renewals that were sent long after the look.
    line.weather(|verb| if verb == "get" { Fate::slow(4000, 0) } else { Fate::FINE });
    let standby = Replica::start_with(line, "b", SLOW, Duration::ZERO);
    sleep(30 * SECOND).await;
    leader.kill().await;
    standby.until_leading().await;
    assert_eq!(server.wrongs(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_arrives_late_does_not_take_the_lease_of_another() {
    let server = Server::default();
    let line = server.line();
    line.once("post", Fate::REQUEST_LOST);
    let late = Replica::start_with(line, "late", SLOW, Duration::ZERO);
    // Its next try finds the lease free and takes it, but is four seconds on its way; meanwhile another one is faster.
    sleep(5 * SECOND).await;
    server.edit(|lease| *lease = Some(Lease { spec: Some(Default::default()), ..Default::default() }));
    late.line.once("put", Fate::slow(4000, 0));
    until(|| late.line.requests().contains(&"put")).await;
    let fast = Replica::leading(&server, "fast").await;
    sleep(30 * SECOND).await;
    assert!(fast.leads() && !late.leads());
    assert_eq!(server.wrongs(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_taken_away_freed_or_deleted_is_lost() {
    type Edit = fn(&mut Option<Lease>);
    let edits: [(Edit, &str); 3] = [
        (|lease| set_holder(lease, "somebody"), "somebody holds it"),
        (|lease| set_holder(lease, ""), "it is free"),
        (|lease| *lease = None, "it was deleted"),
    ];
    for (edit, said) in edits {
        let server = Server::default();
        let leader = Replica::leading(&server, "a").await;
        server.edit(edit);
        let (writes, edited) = (server.writes(), Instant::now());
        let leadership = leader.leadership.clone();
        assert_eq!(lost(leader.ended().await), Loss::Taken(said.to_owned()));
        assert!(edited.elapsed() <= 2 * SECOND, "noticed at the next renewal");
        assert!(!leadership.leads());
        assert_eq!(server.writes(), writes, "what is lost is left alone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_labels_stays_ours() {
    let server = Server::default();
    let leader = Replica::leading(&server, "a").await;
    server.edit(|lease| {
        lease.as_mut().unwrap().metadata.labels = Some([("team".to_owned(), "data".to_owned())].into());
    });
    sleep(60 * SECOND).await;
    assert!(leader.leads());
    assert!(server.lease().unwrap().metadata.labels.is_some(), "and keeps the label");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_for_a_minute_sends_nothing_any_more() {
    let server = Server::default();
    let leader = Replica::leading(&server, "a").await;
    let writes = server.writes();
    advance(60 * SECOND).await;
    assert!(!leader.leads());
    assert!(matches!(lost(leader.ended().await), Loss::Expired(_)));
    assert_eq!(server.writes(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_is_stopped_ends_at_once_and_writes_nothing() {
    let server = Server::default();
    let leader = Replica::leading(&server, "a").await;
    let standby = Replica::start(&server, "b");
    sleep(10 * SECOND).await;
    standby.line.weather(|_| Fate::REQUEST_LOST);
    standby.stop.cancel();
    let (stopped, line) = (Instant::now(), standby.line.clone());
    assert!(matches!(standby.ended().await, Ended::Stopped));
    assert!(stopped.elapsed() < SECOND);
    assert!(line.requests().iter().all(|verb| *verb == "get"));
    assert!(leader.leads());
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_stopped_while_its_first_write_is_on_its_way_leaves_the_lease_free() {
    let server = Server::default();
    let line = server.line();
    line.once("post", Fate::REPLY_LOST);
    let candidate = Replica::start_with(line, "a", SLOW, Duration::ZERO);
    until(|| server.holder().is_some()).await;
    candidate.stop.cancel();
    assert!(matches!(candidate.ended().await, Ended::Stopped));
    assert_eq!(server.holder(), None);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_crosses_a_renewal_is_repeated() {
    let server = Server::default();
    let leader = Replica::leading(&server, "a").await;
    // A renewal takes effect after the release has read the lease and before it writes.
    leader.line.weather(|verb| if verb == "put" { Fate::slow(1000, 0) } else { Fate::FINE });
    let sent = leader.line.requests().len();
    until(|| leader.line.requests().len() > sent).await;
    leader.stop.cancel();
    assert!(matches!(leader.ended().await, Ended::Done(())));
    assert_eq!(server.holder(), None);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_fails_holds_nobody_up() {
    let server = Server::default();
    let leader = Replica::leading(&server, "a").await;
    let standby = Replica::start(&server, "b");
    sleep(5 * SECOND).await;
    leader.line.weather(|_| Fate::REQUEST_LOST);
    leader.stop.cancel();
    let stopped = Instant::now();
    assert!(matches!(leader.ended().await, Ended::Done(())));
    assert!(stopped.elapsed() < 6 * SECOND, "{:?}", stopped.elapsed());
    standby.until_leading().await;
    assert!(stopped.elapsed() < LEASE_DURATION + 5 * SECOND, "{:?}", stopped.elapsed());
}
