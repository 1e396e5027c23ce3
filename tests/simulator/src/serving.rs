//! What a collection consists of, how much of it is loaded and indexed, and what queries find of it.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use super::{refusal::Refusal, world::Collection};
use crate::wire::{
    common::{self, IndexState, SegmentLevel, SegmentState},
    milvus::{IndexDescription, PersistentSegmentInfo, QuerySegmentInfo},
};

/// Milvus makes segments of external files about this large.
const SEGMENT_ROWS: i64 = 1_000_000;

/// How far a collection is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Released, or never loaded: nothing is served.
    Released,
    /// Being loaded: nothing is served yet.
    Loading,
    /// Loaded, whatever [`Serving::unserved`] says.
    Loaded,
}

/// How `GetQuerySegmentInfo` shows that a segment has several replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaForm {
    /// One entry a segment with all its nodes, as newer servers do.
    Nodes,
    /// An entry for each replica of a segment, as older servers do.
    Entries,
}

/// The one index of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    /// There is none (code 700).
    Missing,
    /// Built.
    Finished,
    /// Being built: so many rows are not indexed yet.
    Lagging(i64),
    /// Failed for good, with this reason.
    Failed(String),
}

/// What the next refresh of a collection finds, and how the collection is loaded, indexed and served.
/// [`super::Simulator::serving`] changes it.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The rows that a refresh finds at the source, by batch. A batch whose rows have not changed keeps its segments.
    pub batches: BTreeMap<String, i64>,
    /// The most rows of a segment, at least 1.
    pub segment_rows: i64,
    /// How long after a refresh queries find what it has mapped.
    pub target_delay: Duration,
    /// How far it is loaded.
    pub load: Load,
    /// So many of its segments are loaded by no node, though it counts as loaded; `usize::MAX` after a restart of DataCoord.
    /// A release ends that.
    pub unserved: usize,
    /// How many replicas it is loaded in.
    pub replicas: usize,
    /// How replicas show.
    pub replica_form: ReplicaForm,
    /// Its index.
    pub index: Index,
}

impl Default for Serving {
    /// A thousand rows of the batch `1`, loaded and indexed at once.
    fn default() -> Self {
        Self {
            batches: BTreeMap::from([("1".to_owned(), 1_000)]),
            segment_rows: SEGMENT_ROWS,
            target_delay: Duration::ZERO,
            load: Load::Loaded,
            unserved: 0,
            replicas: 1,
            replica_form: ReplicaForm::Nodes,
            index: Index::Finished,
        }
    }
}

impl Serving {
    /// Sets what the next refresh finds; see [`Serving::batches`].
    pub fn find(&mut self, batches: &[(&str, i64)]) {
        self.batches = batches.iter().map(|(batch, rows)| ((*batch).to_owned(), *rows)).collect();
    }
}

#[derive(Clone, Debug)]
struct Segment {
    id: i64,
    rows: i64,
    batch: String,
}

/// The segments of one incarnation of a collection.
#[derive(Debug, Default)]
pub(super) struct Segments {
    last_id: i64,
    mapped: Vec<Segment>,
    /// What the last refresh has replaced, until Milvus collects it.
    dropped: Vec<Segment>,
    /// What is to be loaded, each from a time on; the last whose time has come is.
    targets: Vec<(Duration, Vec<Segment>)>,
}

impl Segments {
    /// Those of the collection with this id.
    pub(super) fn of(collection: i64) -> Self {
        Self { last_id: collection, ..Self::default() }
    }

    /// A refresh that ended `at` has mapped what it found.
    pub(super) fn refreshed(&mut self, found: &Serving, at: Duration) {
        let mut mapped = Vec::new();
        for (batch, rows) in &found.batches {
            let known = || self.mapped.iter().filter(|segment| segment.batch == *batch);
            if known().map(|segment| segment.rows).sum::<i64>() == *rows {
                mapped.extend(known().cloned());
                continue;
            }
            let (most, mut left) = (found.segment_rows.max(1), *rows);
            while left > 0 {
                self.last_id += 1;
                mapped.push(Segment { id: self.last_id, rows: left.min(most), batch: batch.clone() });
                left -= most;
            }
        }
        let kept: HashSet<i64> = mapped.iter().map(|segment| segment.id).collect();
        let before = std::mem::take(&mut self.mapped);
        self.dropped = before.into_iter().filter(|segment| !kept.contains(&segment.id)).collect();
        let current = self.targets.iter().rposition(|(from, _)| *from <= at).unwrap_or_default();
        self.targets.drain(..current);
        self.targets.push((at.saturating_add(found.target_delay), mapped.clone()));
        self.mapped = mapped;
    }

    fn loaded(&self, now: Duration) -> &[Segment] {
        self.targets.iter().rfind(|(from, _)| *from <= now).map_or(&[], |(_, segments)| segments)
    }
}

impl Collection {
    fn served(&self, now: Duration) -> impl Iterator<Item = &Segment> {
        let serving = &self.settings.serving;
        let unserved = if serving.load == Load::Loaded { serving.unserved } else { usize::MAX };
        self.segments.loaded(now).iter().skip(unserved)
    }

    /// `GetLoadState`.
    pub(super) fn load_state(&self) -> common::LoadState {
        match self.settings.serving.load {
            Load::Released => common::LoadState::NotLoad,
            Load::Loading => common::LoadState::Loading,
            Load::Loaded => common::LoadState::Loaded,
        }
    }

    /// `GetPersistentSegmentInfo`: what is mapped, and what was dropped and is not collected yet.
    pub(super) fn mapped_segments(&self) -> Vec<PersistentSegmentInfo> {
        let info = |segment: &Segment, state: SegmentState| PersistentSegmentInfo {
            segment_id: segment.id,
            num_rows: segment.rows,
            state: state.into(),
            level: SegmentLevel::L1.into(),
        };
        let Segments { mapped, dropped, .. } = &self.segments;
        let dropped = dropped.iter().map(|segment| info(segment, SegmentState::Dropped));
        mapped.iter().map(|segment| info(segment, SegmentState::Flushed)).chain(dropped).collect()
    }

    /// `GetQuerySegmentInfo`: empty where nothing is loaded.
    pub(super) fn served_segments(&self, now: Duration) -> Vec<QuerySegmentInfo> {
        let Serving { replicas, replica_form, .. } = self.settings.serving;
        let nodes: Vec<i64> = (1..).take(replicas).collect();
        let info = |segment: &Segment| QuerySegmentInfo {
            segment_id: segment.id,
            num_rows: segment.rows,
            state: SegmentState::Sealed.into(),
            level: SegmentLevel::L1.into(),
            ..QuerySegmentInfo::default()
        };
        match replica_form {
            ReplicaForm::Nodes => {
                self.served(now).map(|segment| QuerySegmentInfo { node_ids: nodes.clone(), ..info(segment) }).collect()
            }
            ReplicaForm::Entries => {
                let of = |node_id| self.served(now).map(move |segment| QuerySegmentInfo { node_id, ..info(segment) });
                nodes.into_iter().flat_map(of).collect()
            }
        }
    }

    /// `DescribeIndex`.
    pub(super) fn indexes(&self) -> Result<Vec<IndexDescription>, Refusal> {
        let total_rows: i64 = self.segments.mapped.iter().map(|segment| segment.rows).sum();
        let (state, pending_index_rows, reason) = match &self.settings.serving.index {
            Index::Missing => return Err(Refusal::index_not_found(self.id)),
            Index::Finished => (IndexState::Finished, 0, ""),
            Index::Lagging(rows) => (IndexState::InProgress, *rows, ""),
            Index::Failed(reason) => (IndexState::Failed, total_rows, reason.as_str()),
        };
        Ok(vec![IndexDescription {
            index_name: "embedding".to_owned(),
            field_name: "embedding".to_owned(),
            indexed_rows: total_rows - pending_index_rows,
            total_rows,
            state: state.into(),
            index_state_fail_reason: reason.to_owned(),
            pending_index_rows,
        }])
    }

    /// `Query` for `count(*)`: of all rows, or of those of one batch. No other filter is understood.
    pub(super) fn count(&self, filter: &str, now: Duration) -> Result<i64, Refusal> {
        let batch = batch(filter)?;
        if self.settings.serving.load != Load::Loaded {
            return Err(Refusal::not_loaded(self.id));
        }
        let of_batch = |segment: &&Segment| batch.is_none_or(|batch| batch == segment.batch);
        Ok(self.served(now).filter(of_batch).map(|segment| segment.rows).sum())
    }
}

/// The batch that a filter asks for, `None` for all.
fn batch(filter: &str) -> Result<Option<&str>, Refusal> {
    if filter.is_empty() {
        return Ok(None);
    }
    let quoted = filter.trim().strip_prefix("batch").and_then(|rest| rest.trim_start().strip_prefix("=="));
    let named = quoted.and_then(|quoted| quoted.trim().strip_prefix('"')?.strip_suffix('"'));
    named.filter(|name| !name.contains(['"', '\\'])).map(Some).ok_or_else(|| {
        Refusal::invalid(format!(
            "failed to create query plan: cannot parse expression: {filter}, error: mismatched input"
        ))
    })
}
