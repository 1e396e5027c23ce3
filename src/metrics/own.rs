//! The series that each object has, where the operator is asked for them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{MOST_OBJECTS, Object};
use crate::{object::Key, refresh::Recorded};

/// The series that each object has.
#[derive(Debug, Default)]
pub(super) struct OwnSeries {
    last_success: Family<Object, Gauge>,
    last_schedule: Family<Object, Gauge>,
    next_schedule: Family<Object, Gauge>,
    pending_since: Family<Object, Gauge>,
}

/// What is shown of one object.
#[derive(Debug)]
pub(super) struct Own {
    key: Key,
    last_success: Option<Timestamp>,
    last_schedule: Option<Timestamp>,
    next_schedule: Option<Timestamp>,
    pending_since: Option<Timestamp>,
}

impl Own {
    pub(super) fn of(record: &Recorded, key: &Key) -> Self {
        let schedule = record.schedule.as_ref();
        Self {
            key: key.clone(),
            last_success: record.last_success.as_ref().map(|success| success.time),
            last_schedule: schedule.and_then(|kept| kept.last),
            next_schedule: schedule.and_then(|kept| kept.next),
            pending_since: record.watch.as_ref().and_then(|watch| watch.pending_since),
        }
    }
}

impl OwnSeries {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "milvus_refresh_last_success_timestamp_seconds",
            "When a run of the refresh last completed. With --per-object-metrics only",
            self.last_success.clone(),
        );
        registry.register(
            "milvus_refresh_last_schedule_timestamp_seconds",
            "The last scheduled time of the refresh that started a run or was skipped. With --per-object-metrics only",
            self.last_schedule.clone(),
        );
        registry.register(
            "milvus_refresh_next_schedule_timestamp_seconds",
            "When the next scheduled run of the refresh is due, in the past while it waits for the run before it. With \
             --per-object-metrics only",
            self.next_schedule.clone(),
        );
        registry.register(
            "milvus_refresh_source_pending_since_timestamp_seconds",
            "When a change of the refresh's source was seen that it has not refreshed. With --per-object-metrics only",
            self.pending_since.clone(),
        );
    }

    /// Shows these objects.
    pub(super) fn sample<'a, I: Iterator<Item = &'a Own>>(&self, all: impl Fn() -> I) {
        show(&self.last_success, all().map(|own| (&own.key, own.last_success)));
        show(&self.last_schedule, all().map(|own| (&own.key, own.last_schedule)));
        show(&self.next_schedule, all().map(|own| (&own.key, own.next_schedule)));
        show(&self.pending_since, all().map(|own| (&own.key, own.pending_since)));
    }
}

/// The times of the first objects by name that have one.
fn show<'a>(series: &Family<Object, Gauge>, times: impl Iterator<Item = (&'a Key, Option<Timestamp>)>) {
    let times: BTreeMap<_, _> = times.filter_map(|(key, time)| Some((key, time?))).collect();
    series.clear();
    for (key, time) in times.into_iter().take(MOST_OBJECTS) {
        series.get_or_create(&Object::of(key)).set(time.as_second());
    }
}
