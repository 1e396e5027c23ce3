//! One look at what a collection serves.

use std::time::Duration;

use tokio::time::timeout;

use super::super::{ErrorKind, Index, LoadState, Milvus, MilvusError, Result, Segments};

/// The longest look: it has a dozen calls at the most, each with a deadline of its own.
const LONGEST: Duration = Duration::from_mins(5);

/// What to look at. A look is for the one who asks with an equal plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The number of the run and the generation that the look is for.
    pub occasion: (i64, i64),
    /// The Milvus database.
    pub database: String,
    /// The collection's name or alias.
    pub collection: String,
    /// Whether to look at its indexes.
    pub indexes: bool,
    /// The filters to count rows by; `None` where the connection does not allow any.
    pub filters: Option<Vec<String>>,
}

/// What a look brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The id of the collection; `None` where the account may not describe it.
    pub collection: Option<i64>,
    /// How far it is loaded.
    pub load: Result<LoadState>,
    /// What Milvus' metadata says that it consists of.
    pub mapped: Result<Mapped>,
    /// What of that is served; `None` while it is not loaded.
    pub served: Option<Result<Served>>,
    /// The rows that a query finds; `None` while it is not loaded.
    pub count: Option<Result<i64>>,
    /// Its indexes, where they were asked for.
    pub indexes: Option<Result<Vec<Index>>>,
    /// The rows that each filter finds; `None` while it is not loaded, or where the connection does not allow filters.
    pub queries: Option<Vec<Result<i64>>>,
}

/// The segments of a collection by its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// How many.
    pub segments: i64,
    /// Their rows.
    pub rows: i64,
}

/// What of the mapped segments is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// How many are.
    pub segments: i64,
    /// Their rows, as those say who serve them.
    pub rows: i64,
}

/// Looks. A server that does not answer one call is not asked for the others.
pub(super) async fn look(milvus: &dyn Milvus, plan: &Plan) -> Result<Evidence> {
    let late = || {
        let message = format!("Milvus did not answer the checks within {} minutes.", LONGEST.as_secs() / 60);
        Err(MilvusError::new(ErrorKind::Timeout, message))
    };
    timeout(LONGEST, evidence(milvus, plan)).await.unwrap_or_else(|_| late())
}

async fn evidence(milvus: &dyn Milvus, plan: &Plan) -> Result<Evidence> {
    let Plan { database, collection, .. } = plan;
    let described = match milvus.describe(database, collection).await {
        Ok(described) => Some(described.id),
        Err(error) if error.kind == ErrorKind::PermissionDenied => None,
        Err(error) => return Err(error),
    };
    let load = answered(milvus.load_state(database, collection).await)?;
    let mapped = answered(milvus.mapped_segments(database, collection).await)?;
    let loaded = !matches!(load, Ok(LoadState::NotLoaded | LoadState::Loading));
    let (mut served, mut count, mut queries) = (None, None, None);
    if loaded {
        let segments = answered(milvus.served_segments(database, collection).await)?;
        served = Some(
            segments
                .map(|served| mapped.as_ref().map_or(Served { segments: 0, rows: 0 }, |mapped| of(mapped, &served))),
        );
        count = Some(answered(milvus.count(database, collection, "").await)?);
        if let Some(filters) = &plan.filters {
            let mut counts = Vec::new();
            for filter in filters {
                counts.push(answered(milvus.count(database, collection, filter).await)?);
            }
            queries = Some(counts);
        }
    }
    let indexes = if plan.indexes { Some(answered(milvus.indexes(database, collection).await)?) } else { None };
    let mapped = mapped.map(|segments| Mapped { segments: counted(segments.len()), rows: rows(segments.values()) });
    Ok(Evidence { collection: described, load, mapped, served, count, indexes, queries })
}

/// What of the mapped segments is served. Sums would hide one that is missing beside one that is no longer mapped.
fn of(mapped: &Segments, served: &Segments) -> Served {
    let both = || mapped.keys().filter_map(|id| served.get(id));
    Served { segments: counted(both().count()), rows: rows(both()) }
}

fn rows<'a>(segments: impl Iterator<Item = &'a i64>) -> i64 {
    segments.fold(0, |sum, rows| sum.saturating_add(*rows))
}

fn counted(segments: usize) -> i64 {
    i64::try_from(segments).unwrap_or(i64::MAX)
}

/// What the server said, or the trouble that keeps it from saying anything.
fn answered<T>(answer: Result<T>) -> Result<Result<T>> {
    match answer {
        Err(error) if error.kind.is_of_the_server() => Err(error),
        answer => Ok(answer),
    }
}
