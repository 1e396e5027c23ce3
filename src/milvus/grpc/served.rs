//! What Milvus says of how a collection is served, as domain types.

use std::collections::hash_map::Entry;

use prost::Message;

use super::{
    answers::{Count, DescribedIndex, Listing, Segment},
    convert::{AT_A_TIME, malformed, name, unreadable},
    wire::{
        common,
        schema::{field_data, scalar_field},
    },
};
use crate::milvus::{Index, IndexState, LoadState, MAX_SEGMENTS, MilvusError, Result, Segments, scrub::Scrubber};

/// The most indexes of one collection; Milvus allows fewer fields than that.
const MAX_INDEXES: usize = 1_000;

/// What is not known counts as loading: nothing is said of it yet.
pub(super) fn load_state(state: i32) -> LoadState {
    use common::LoadState as Wire;
    match Wire::try_from(state) {
        Ok(Wire::NotExist | Wire::NotLoad) => LoadState::NotLoaded,
        Ok(Wire::Loading) | Err(_) => LoadState::Loading,
        Ok(Wire::Loaded) => LoadState::Loaded,
    }
}

/// The segments of an answer, each once. Of several entries for one, as older servers have them for the replicas, the one with
/// the fewest rows counts: a query may meet any replica.
///
/// An answer can be long, so the thread is given away regularly.
pub(super) async fn segments<S: Segment>(listing: &Listing) -> Result<Segments> {
    let mut segments = Segments::new();
    for (count, entry) in listing.entries().enumerate() {
        if count % AT_A_TIME == 0 {
            tokio::task::yield_now().await;
        }
        let segment = entry.and_then(|entry| Ok(S::decode(entry)?)).map_err(|error| unreadable(&error))?;
        if !segment.counts() {
            continue;
        }
        if segment.id() <= 0 {
            return Err(malformed("Milvus lists a segment without an id."));
        }
        let (rows, full) = (segment.rows().max(0), segments.len() >= MAX_SEGMENTS);
        match segments.entry(segment.id()) {
            Entry::Occupied(mut known) => *known.get_mut() = rows.min(*known.get()),
            Entry::Vacant(_) if full => {
                return Err(malformed(format!("Milvus lists more than {MAX_SEGMENTS} segments of one collection.")));
            }
            Entry::Vacant(free) => _ = free.insert(rows),
        }
    }
    Ok(segments)
}

/// The indexes of an answer; their words are scrubbed, each in a turn of the thread.
pub(super) async fn indexes(listing: &Listing, scrubber: &Scrubber) -> Result<Vec<Index>> {
    let mut indexes = Vec::new();
    for entry in listing.entries() {
        if indexes.len() == MAX_INDEXES {
            return Err(malformed(format!("Milvus describes more than {MAX_INDEXES} indexes of one collection.")));
        }
        let described = entry.and_then(|entry| Ok(DescribedIndex::decode(entry)?));
        indexes.push(index(&described.map_err(|error| unreadable(&error))?, scrubber));
        tokio::task::yield_now().await;
    }
    Ok(indexes)
}

fn index(described: &DescribedIndex, scrubber: &Scrubber) -> Index {
    use common::IndexState as Wire;
    let state = match Wire::try_from(described.state) {
        Ok(Wire::Finished) => IndexState::Finished,
        Ok(Wire::Failed) => IndexState::Failed,
        Ok(Wire::None | Wire::Unissued | Wire::InProgress | Wire::Retry) | Err(_) => IndexState::Unfinished,
    };
    Index {
        name: name(&described.name, scrubber),
        state,
        pending_rows: described.pending_rows.max(0),
        reason: scrubber.message(&described.reason),
    }
}

/// The one number of an answer.
pub(super) fn count(answer: &Count) -> Result<i64> {
    let [column] = answer.columns.as_slice() else { return Err(not_a_count()) };
    let Some(field_data::Field::Scalars(scalars)) = &column.field else { return Err(not_a_count()) };
    let Some(scalar_field::Data::LongData(numbers)) = &scalars.data else { return Err(not_a_count()) };
    match numbers.data.as_slice() {
        [rows] if *rows >= 0 => Ok(*rows),
        _ => Err(not_a_count()),
    }
}

fn not_a_count() -> MilvusError {
    malformed("Milvus was asked for a count of rows and its response contains none.")
}
