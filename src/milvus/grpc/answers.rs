//! Milvus' answers, as far as they are read.
//!
//! What an answer can hold many of is never unpacked as a whole, since two bytes on the wire can be hundreds in memory: it is
//! gone through one by one.

use prost::{
    DecodeError, Message,
    bytes::{Buf, Bytes},
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

use super::wire::{
    common::{ErrorCode, IndexState, SegmentLevel, SegmentState},
    milvus::RefreshExternalCollectionJobInfo as JobInfo,
    schema::{FieldData, FieldSchema},
};
use crate::milvus::port::MAX_FORMAT;

/// The longest external spec that is looked into, in bytes: no refresh brings a longer one.
const MAX_SPEC: usize = 64 * 1024;

/// Why an answer is no protobuf message of its kind.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(String);

impl From<DecodeError> for Unreadable {
    fn from(error: DecodeError) -> Self {
        Self(error.to_string())
    }
}

/// An answer that can be read from its encoded form.
pub(super) trait Answer: Sized {
    /// # Errors
    /// When it is not what it has to be.
    fn read(encoded: Bytes) -> Result<Self, Unreadable>;

    /// The answer that this error is, where Milvus has an error for it.
    fn of_error(_: &Verdict) -> Option<Self> {
        None
    }
}

impl<M: Message + Default> Answer for M {
    fn read(encoded: Bytes) -> Result<Self, Unreadable> {
        Ok(Self::decode(encoded)?)
    }
}

/// What every answer begins with.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Outcome {
    #[prost(message, optional, tag = "1")]
    pub status: Option<Verdict>,
}

/// Milvus' own status: the call succeeded when both codes are zero.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Verdict {
    /// The older code.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    #[prost(string, tag = "2")]
    pub reason: String,
    #[prost(int32, tag = "3")]
    pub code: i32,
    #[prost(string, tag = "5")]
    pub detail: String,
}

/// To `GetVersion`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Version {
    #[prost(string, tag = "2")]
    pub version: String,
}

/// To `RefreshExternalCollection`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Accepted {
    #[prost(int64, tag = "2")]
    pub job_id: i64,
}

/// To `GetRefreshExternalCollectionProgress`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Progress {
    #[prost(message, optional, tag = "2")]
    pub job: Option<JobInfo>,
}

/// To whatever asks for many of something, each of them encoded.
#[derive(Debug, Default)]
pub(super) struct Listing(Bytes);

impl Answer for Listing {
    fn read(encoded: Bytes) -> Result<Self, Unreadable> {
        Ok(Self(encoded))
    }
}

impl Listing {
    /// What is listed, each encoded: Milvus has it in the second field of all these answers.
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<Bytes, Unreadable>> + Send + use<> {
        fields(self.0.clone()).filter_map(|field| match field {
            Ok((2, Field::Bytes(entry))) => Some(Ok(entry)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// What `ListRefreshExternalCollectionJobs` lists.
    pub(super) fn jobs(&self) -> impl Iterator<Item = Result<ListedJob, Unreadable>> + Send + use<> {
        self.entries().map(|entry| entry.map(ListedJob))
    }
}

/// A job of a [`Listing`], encoded.
pub(super) struct ListedJob(Bytes);

impl ListedJob {
    /// Its id, for which nothing else of it is unpacked.
    pub(super) fn id(&self) -> Result<i64, Unreadable> {
        #[derive(Clone, PartialEq, Message)]
        struct Id {
            #[prost(int64, tag = "1")]
            job_id: i64,
        }
        Ok(Id::decode(self.0.clone())?.job_id)
    }

    /// The whole job.
    pub(super) fn unpack(self) -> Result<JobInfo, Unreadable> {
        Ok(JobInfo::decode(self.0)?)
    }
}

/// To `GetLoadState`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Loading {
    #[prost(int32, tag = "2")]
    pub state: i32,
}

/// A segment of an answer about many.
pub(super) trait Segment: Message + Default {
    fn id(&self) -> i64;

    fn rows(&self) -> i64;

    /// Whether its rows are the collection's.
    fn counts(&self) -> bool;
}

/// Of `GetPersistentSegmentInfo`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MappedSegment {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(int64, tag = "4")]
    rows: i64,
    #[prost(enumeration = "SegmentState", tag = "5")]
    state: i32,
    #[prost(enumeration = "SegmentLevel", tag = "6")]
    level: i32,
}

impl Segment for MappedSegment {
    fn id(&self) -> i64 {
        self.id
    }

    fn rows(&self) -> i64 {
        self.rows
    }

    fn counts(&self) -> bool {
        self.state() == SegmentState::Flushed && self.level() != SegmentLevel::L0
    }
}

/// Of `GetQuerySegmentInfo`. The nodes that serve it are not unpacked: there can be any number.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ServedSegment {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(int64, tag = "5")]
    rows: i64,
    #[prost(enumeration = "SegmentLevel", tag = "11")]
    level: i32,
}

impl Segment for ServedSegment {
    fn id(&self) -> i64 {
        self.id
    }

    fn rows(&self) -> i64 {
        self.rows
    }

    fn counts(&self) -> bool {
        self.level() != SegmentLevel::L0
    }
}

/// To `DescribeIndex`.
#[derive(Debug)]
pub(super) struct Indexes(pub Listing);

impl Answer for Indexes {
    fn read(encoded: Bytes) -> Result<Self, Unreadable> {
        Ok(Self(Listing::read(encoded)?))
    }

    /// A collection without an index is an error to Milvus.
    fn of_error(error: &Verdict) -> Option<Self> {
        const INDEX_NOT_FOUND: i32 = 700;
        let legacy = error.code == 0 && error.error_code == ErrorCode::IndexNotExist as i32;
        (error.code == INDEX_NOT_FOUND || legacy).then(|| Self(Listing::default()))
    }
}

/// An index of [`Indexes`].
#[derive(Clone, PartialEq, Message)]
pub(super) struct DescribedIndex {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(enumeration = "IndexState", tag = "7")]
    pub state: i32,
    #[prost(string, tag = "8")]
    pub reason: String,
    #[prost(int64, tag = "9")]
    pub pending_rows: i64,
}

/// To a `Query` for `count(*)`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Count {
    #[prost(message, repeated, tag = "2")]
    pub columns: Vec<FieldData>,
}

/// To `DescribeCollection`.
#[derive(Debug, Default)]
pub(super) struct Description {
    pub schema: Option<Schema>,
    pub collection_id: i64,
    /// The collection's own name; empty where an older Milvus leaves that to the schema.
    pub collection_name: String,
}

/// The schema of a [`Description`].
#[derive(Debug, Default)]
pub(super) struct Schema {
    pub name: String,
    /// Whether a column of external files backs one of its fields.
    pub external: bool,
    pub external_source: String,
    /// See [`Collection::format`](crate::milvus::Collection::format).
    pub format: String,
}

impl Answer for Description {
    fn read(encoded: Bytes) -> Result<Self, Unreadable> {
        let mut described = Self::default();
        for field in fields(encoded) {
            match field? {
                (2, Field::Bytes(schema)) => described.schema = Some(Schema::read(schema)?),
                (3, Field::Number(id)) => described.collection_id = id.cast_signed(),
                (12, Field::Bytes(name)) => described.collection_name = text(&name)?,
                (_, Field::Bytes(_) | Field::Number(_) | Field::Other) => {}
            }
        }
        Ok(described)
    }
}

impl Answer for Schema {
    fn read(encoded: Bytes) -> Result<Self, Unreadable> {
        let mut schema = Self::default();
        for field in fields(encoded) {
            match field? {
                (1, Field::Bytes(name)) => schema.name = text(&name)?,
                (4, Field::Bytes(field)) => schema.external |= !FieldSchema::decode(field)?.external_field.is_empty(),
                (11, Field::Bytes(source)) => schema.external_source = text(&source)?,
                (12, Field::Bytes(spec)) => schema.format = format(&spec),
                (_, Field::Bytes(_) | Field::Number(_) | Field::Other) => {}
            }
        }
        Ok(schema)
    }
}

/// The `format` in an external spec; empty where it has none that can be read. Of the rest, nothing is kept.
fn format(spec: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Spec {
        format: String,
    }
    let read = Some(spec).filter(|spec| spec.len() <= MAX_SPEC).and_then(|spec| serde_json::from_slice(spec).ok());
    read.map(|Spec { format }| format).filter(|format| format.len() <= MAX_FORMAT).unwrap_or_default()
}

/// A field of an encoded message.
enum Field {
    Bytes(Bytes),
    Number(u64),
    Other,
}

/// The fields of an encoded message, with their tags. Ends at the first that is broken.
fn fields(mut rest: Bytes) -> impl Iterator<Item = Result<(u32, Field), Unreadable>> + Send {
    std::iter::from_fn(move || {
        if !rest.has_remaining() {
            return None;
        }
        let field = next(&mut rest);
        if field.is_err() {
            rest.clear();
        }
        Some(field)
    })
}

fn next(rest: &mut Bytes) -> Result<(u32, Field), Unreadable> {
    let (tag, wire_type) = decode_key(rest)?;
    let field = match wire_type {
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(rest)?).unwrap_or(usize::MAX);
            if length > rest.remaining() {
                return Err(Unreadable("it ends too early".to_owned()));
            }
            Field::Bytes(rest.split_to(length))
        }
        WireType::Varint => Field::Number(decode_varint(rest)?),
        WireType::ThirtyTwoBit | WireType::SixtyFourBit | WireType::StartGroup | WireType::EndGroup => {
            skip_field(wire_type, tag, rest, DecodeContext::default())?;
            Field::Other
        }
    };
    Ok((tag, field))
}

fn text(bytes: &[u8]) -> Result<String, Unreadable> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| Unreadable(error.to_string()))
}
