//! The generated protobuf types and gRPC stubs of `proto/`.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::all, clippy::pedantic)]

pub(crate) mod common {
    tonic::include_proto!("milvus.proto.common");
}
pub(crate) mod schema {
    tonic::include_proto!("milvus.proto.schema");
}
pub(crate) mod milvus {
    tonic::include_proto!("milvus.proto.milvus");
}
