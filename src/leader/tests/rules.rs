use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use tokio::time::Instant;

use super::super::lease::{LEASE_DURATION, Observed, Step, evaluate, held, released};

const ME: &str = "me";

fn lease(holder: Option<&str>, seconds: Option<i32>) -> Lease {
    let spec = LeaseSpec {
        holder_identity: holder.map(str::to_owned),
        lease_duration_seconds: seconds,
        lease_transitions: Some(7),
        ..Default::default()
    };
    let mut lease = Lease { spec: Some(spec), ..Default::default() };
    lease.metadata.resource_version = Some("41".to_owned());
    lease
}

#[test]
fn who_may_write_the_lease_when() {
    let just_before = LEASE_DURATION - Duration::from_millis(1);
    let table: [(Option<Lease>, Duration, Step); 14] = [
        (None, Duration::ZERO, Step::Create),
        (Some(Lease::default()), Duration::ZERO, Step::Take),
        (Some(lease(None, Some(15))), Duration::ZERO, Step::Take),
        (Some(lease(Some(""), Some(1))), Duration::ZERO, Step::Take),
        (Some(lease(Some(ME), Some(15))), Duration::ZERO, Step::Renew),
        (Some(lease(Some(ME), Some(15))), 10 * LEASE_DURATION, Step::Renew),
        (Some(lease(Some("you"), Some(15))), Duration::ZERO, Step::Wait),
        (Some(lease(Some("you"), Some(15))), just_before, Step::Wait),
        (Some(lease(Some("you"), Some(15))), LEASE_DURATION, Step::Take),
        // A holder with other settings is given the time that it asked for.
        (Some(lease(Some("you"), Some(60))), LEASE_DURATION, Step::Wait),
        (Some(lease(Some("you"), Some(60))), Duration::from_secs(60), Step::Take),
        // What nobody sensible writes is read as our own duration.
        (Some(lease(Some("you"), None)), just_before, Step::Wait),
        (Some(lease(Some("you"), Some(0))), just_before, Step::Wait),
        (Some(lease(Some("you"), Some(-5))), LEASE_DURATION, Step::Take),
    ];
    let since = Instant::now();
    for (lease, age, step) in table {
        let observed = lease.map(|lease| Observed { lease, since });
        assert_eq!(evaluate(since + age, observed.as_ref(), ME), step, "{age:?} after {observed:?}");
    }
}

#[test]
fn a_record_is_watched_since_its_last_change_and_not_since_its_last_read() {
    let start = Instant::now();
    let later = start + Duration::from_secs(5);
    let first = Observed::after(None, lease(Some("you"), Some(15)), start);
    let mut labelled = lease(Some("you"), Some(15));
    labelled.metadata.resource_version = Some("42".to_owned());
    assert_eq!(Observed::after(Some(&first), labelled, later).since, start);
    let mut renewed = lease(Some("you"), Some(15));
    renewed.spec.as_mut().unwrap().renew_time = held("l", "you", None, Timestamp::UNIX_EPOCH).spec.unwrap().renew_time;
    assert_eq!(Observed::after(Some(&first), renewed, later).since, later);
}

#[test]
fn transitions_grow_with_each_holder_and_not_with_renewals() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let times = |lease: &Lease| {
        let spec = lease.spec.clone().unwrap();
        let second =
            |time: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime>| time.unwrap().0.as_second();
        (second(spec.acquire_time), second(spec.renew_time), spec.lease_transitions.unwrap())
    };
    let created = held("l", ME, None, at(10));
    assert_eq!((times(&created), created.metadata.name.as_deref()), ((10, 10, 0), Some("l")));
    let renewed = held("l", ME, Some(&created), at(12));
    assert_eq!(times(&renewed), (10, 12, 0));
    let taken = held("l", "you", Some(&renewed), at(30));
    assert_eq!(times(&taken), (30, 30, 1));
    let free = released(&taken, at(40));
    assert_eq!(times(&free), (40, 40, 1));
    assert_eq!(times(&held("l", "you", Some(&free), at(50))), (50, 50, 2));
}

#[test]
fn every_write_over_a_lease_names_the_version_that_was_read() {
    let read = lease(Some("you"), Some(15));
    for written in [held("l", ME, Some(&read), Timestamp::UNIX_EPOCH), released(&read, Timestamp::UNIX_EPOCH)] {
        assert_eq!(written.metadata.resource_version.as_deref(), Some("41"));
    }
    assert_eq!(held("l", ME, None, Timestamp::UNIX_EPOCH).metadata.resource_version, None);
}

#[test]
fn a_released_lease_is_free_at_once_and_short() {
    let spec = released(&lease(Some(ME), Some(15)), Timestamp::UNIX_EPOCH).spec.unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some(""), Some(1)));
}

#[test]
fn a_renewal_changes_the_record_even_when_the_wall_clock_stands_still() {
    let stopped = Timestamp::UNIX_EPOCH;
    let mut last = held("l", ME, None, stopped);
    for _ in 0..5 {
        let next = held("l", ME, Some(&last), stopped);
        assert_ne!(next.spec, last.spec);
        let drift = next.spec.as_ref().unwrap().renew_time.as_ref().unwrap().0.duration_since(stopped);
        assert!(drift <= SignedDuration::from_micros(1), "{drift:?}");
        last = next;
    }
    assert_ne!(released(&last, stopped).spec.unwrap().renew_time, last.spec.unwrap().renew_time);
}
