//! The calls as they are on the wire.

use prost::bytes::{Buf, Bytes};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder},
};
use tonic_prost::{ProstCodec, ProstEncoder};

use super::wire::milvus;
use crate::milvus::JobId;

/// One RPC: its name, its path and the largest answer that is read, in bytes.
pub(super) struct Rpc {
    pub name: &'static str,
    pub path: &'static str,
    pub max_answer: usize,
}

macro_rules! rpc {
    ($name:literal, $max:expr) => {
        $crate::milvus::grpc::rpc::Rpc {
            name: $name,
            path: concat!("/milvus.proto.milvus.MilvusService/", $name),
            max_answer: $max,
        }
    };
}
pub(super) use rpc;

/// A question to Milvus.
pub(super) trait Question: prost::Message + 'static {
    /// The job that it asks for.
    fn job(&self) -> Option<JobId> {
        None
    }
}

impl Question for milvus::GetVersionRequest {}
impl Question for milvus::DescribeCollectionRequest {}
impl Question for milvus::RefreshExternalCollectionRequest {}
impl Question for milvus::ListRefreshExternalCollectionJobsRequest {}
impl Question for milvus::GetLoadStateRequest {}
impl Question for milvus::GetPersistentSegmentInfoRequest {}
impl Question for milvus::GetQuerySegmentInfoRequest {}
impl Question for milvus::DescribeIndexRequest {}
impl Question for milvus::QueryRequest {}
impl Question for milvus::GetRefreshExternalCollectionProgressRequest {
    fn job(&self) -> Option<JobId> {
        Some(JobId(self.job_id))
    }
}

/// Sends a question and hands over its answer as it is encoded.
pub(super) struct Encoded<Q>(ProstCodec<Q, ()>);

impl<Q> Default for Encoded<Q> {
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<Q: Question> Codec for Encoded<Q> {
    type Encode = Q;
    type Decode = Bytes;
    type Encoder = ProstEncoder<Q>;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        self.0.encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Self::default()
    }
}

impl<Q: Question> Decoder for Encoded<Q> {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> std::result::Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}
