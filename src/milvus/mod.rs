//! Milvus as this operator sees it: the port ([`Milvus`]) with its types, how a server is reached ([`ConnectOptions`]), the
//! gRPC adapter behind both, the poller of running jobs, and what keeps credentials out of Milvus' own words.
//!
//! No protobuf type leaves this module.

pub mod examiner;
pub mod grpc;
pub mod poller;
mod port;
pub mod scrub;
mod server;

pub use port::{
    Answer, Collection, ErrorKind, Index, IndexState, Job, JobId, JobState, LoadState, MAX_NAME, MAX_SEGMENTS,
    MAX_SOURCE, Milvus, MilvusError, Refusal, Result, Segments, Source,
};
pub use server::{ClientCertificate, ConnectError, ConnectOptions, Login, Tls};
