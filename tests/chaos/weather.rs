//! What goes wrong in Milvus, drawn from the seed.

use std::time::Duration;

use milvus_simulator::{Fault, Method, Plan, Simulator, When};
use rand::{RngExt, rngs::StdRng};

use crate::Collections;

/// Why jobs fail that do. Such a failure is retried.
pub const FAILURE: &str = "query task failed";

/// Arms faults for the calls of the next round. None of them ends a run by itself: that a refusal ends one is for
/// other tests.
pub fn brew(milvus: &Simulator, random: &mut StdRng) {
    for _ in 0..6 {
        let when = if random.random_bool(0.5) { When::Before } else { When::After };
        let fault = match random.random_range(0..7) {
            0 => Fault::DropReplyAfterEffect,
            1 => Fault::HangAfterEffect,
            2 => Fault::Delay(Duration::from_millis(random.random_range(100..5_000))),
            3 => Fault::Milvus { code: 65_535, reason: "unexpected".to_owned(), when },
            4 => Fault::Status { code: 14, text: "unavailable".to_owned(), when },
            5 => Fault::RepeatedByProxy,
            _ => Fault::LoseAcceptedJob,
        };
        milvus.fault(Method::Refresh, fault);
        // Some starts go well between.
        milvus.fault(Method::Refresh, Fault::Delay(Duration::ZERO).times(random.random_range(1..5)));
    }
    for _ in 0..6 {
        let fault = match random.random_range(0..5) {
            0 => Fault::Garbage,
            1 => Fault::MissingJobInfo,
            2 => Fault::OtherJobId,
            3 => Fault::RegressToPending,
            _ => Fault::Status { code: 13, text: "internal".to_owned(), when: When::Before },
        };
        milvus.fault(Method::Progress, fault);
        milvus.fault(Method::List, Fault::Delay(Duration::from_millis(random.random_range(0..3_000))));
        let busy = Fault::Milvus { code: 1, reason: "service not ready".to_owned(), when: When::Before };
        milvus.fault(Method::List, if random.random_bool(0.5) { Fault::Garbage } else { busy });
    }
}

/// How the jobs of a collection go: some fail, and say why seconds later; some stumble and are set back on their way.
pub fn burdened(duration: Duration, random: &mut StdRng) -> Plan {
    let mut plan = if random.random_bool(0.15) {
        let unrecorded = Duration::from_millis(if random.random_bool(0.5) { 0 } else { random.random_range(0..8_000) });
        Plan::fails_in(duration, FAILURE).recorded_after(unrecorded)
    } else {
        Plan::completes_in(duration)
    };
    if random.random_bool(0.3) {
        plan = plan.stumbling("no files found in external source");
    }
    if random.random_bool(0.3) {
        plan = plan.set_back(random.random_range(1..4));
    }
    plan
}

/// Others refresh some collections.
pub fn start_foreign_jobs(milvus: &Simulator, collections: &mut Collections, random: &mut StdRng) {
    for name in collections.plans.keys() {
        if random.random_bool(0.1)
            && let Some(job) = milvus.start_foreign_job("default", name)
        {
            collections.foreign.entry(name.clone()).or_default().push(job);
        }
    }
}
