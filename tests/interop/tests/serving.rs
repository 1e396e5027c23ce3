//! What is mapped, loaded, indexed and served, asked by our adapter and by the official SDK.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use milvus::v2::prelude::{
    ClientV2, ConnectConfig, DescribeIndexRequest, FieldData, GetLoadStateRequest, ListPersistentSegmentsRequest,
    ListQuerySegmentsRequest, QueryRequest, SegmentState, TelemetryConfig,
};
use milvus_refresh_operator::milvus::{ConnectOptions, Milvus, Segments, grpc::GrpcMilvus};
use milvus_simulator::{Index, Plan, ReplicaForm, Settings, Simulator};

const LONG: Duration = Duration::from_secs(60);

/// A simulator with a collection of two batches, of which the second has just been replaced, in two replicas.
async fn simulator() -> Simulator {
    let simulator = Simulator::start("127.0.0.1:0".parse().unwrap(), Settings::default()).await.unwrap();
    simulator.create_collection("products", Plan::completes_in(Duration::ZERO));
    for batches in [[("24", 1_500_000), ("25", 30)], [("24", 1_500_000), ("25", 40)]] {
        simulator.serving("default", "products", |serving| {
            serving.find(&batches);
            serving.replicas = 2;
            serving.index = Index::Lagging(40);
        });
        simulator.start_foreign_job("default", "products").unwrap();
        simulator.advance(LONG);
    }
    simulator
}

async fn sdk(simulator: &Simulator) -> ClientV2 {
    let telemetry = TelemetryConfig::new().enabled(false);
    let config = ConnectConfig::new().uri(simulator.url()).connect_timeout(LONG).rpc_timeout(LONG).telemetry(telemetry);
    ClientV2::new(&config).await.unwrap()
}

fn adapter(simulator: &Simulator) -> GrpcMilvus {
    let options = ConnectOptions { address: simulator.url(), tls: None, login: None, request_timeout: LONG };
    GrpcMilvus::connect(options).unwrap()
}

#[tokio::test]
async fn the_adapter_and_the_sdk_see_the_same_segments() {
    let simulator = simulator().await;
    let (sdk, adapter) = (sdk(&simulator).await, adapter(&simulator));
    let request = ListPersistentSegmentsRequest::builder().collection_name("products").build().unwrap();
    let listed = sdk.list_persistent_segments(request).await.unwrap();
    let flushed = listed.segments().iter().filter(|segment| segment.get_state() == SegmentState::Flushed);
    let theirs: Segments = flushed.map(|segment| (segment.get_segment_id(), segment.get_row_count())).collect();
    assert_eq!((listed.segments().len(), theirs.len()), (4, 3), "one was replaced");
    assert_eq!(adapter.mapped_segments("default", "products").await.as_ref(), Ok(&theirs));

    for (form, entries) in [(ReplicaForm::Nodes, 3), (ReplicaForm::Entries, 6)] {
        simulator.serving("default", "products", |serving| serving.replica_form = form);
        let request = ListQuerySegmentsRequest::builder().collection_name("products").build().unwrap();
        let listed = sdk.list_query_segments(request).await.unwrap();
        assert_eq!(listed.segments().len(), entries);
        let listed = listed.segments().iter().map(|segment| (segment.get_segment_id(), segment.get_row_count()));
        assert_eq!(listed.collect::<Segments>(), theirs);
        assert_eq!(adapter.served_segments("default", "products").await.as_ref(), Ok(&theirs));
    }
}

#[tokio::test]
async fn the_adapter_and_the_sdk_see_the_same_load_state_index_and_count() {
    let simulator = simulator().await;
    let (sdk, adapter) = (sdk(&simulator).await, adapter(&simulator));
    let request = GetLoadStateRequest::builder().collection_name("products").build().unwrap();
    let theirs = sdk.get_load_state(request).await.unwrap().state();
    assert_eq!(format!("{:?}", adapter.load_state("default", "products").await.unwrap()), format!("{theirs:?}"));

    let request = DescribeIndexRequest::builder().collection_name("products").field_name("embedding").build().unwrap();
    let described = sdk.describe_index(request).await.unwrap();
    let [ours] = &adapter.indexes("default", "products").await.unwrap()[..] else { panic!("not one index") };
    let theirs = &described.indexes()[0];
    assert_eq!((ours.name.as_str(), ours.pending_rows), (theirs.get_index_name(), theirs.get_pending_rows()));
    assert_eq!(ours.pending_rows, 40);

    for (filter, rows) in [("", 1_500_040), ("batch == \"25\"", 40)] {
        let request = QueryRequest::builder().collection_name("products").filter(filter).output_fields(["count(*)"]);
        let theirs = sdk.query(request.build().unwrap()).await.unwrap();
        let Some(FieldData::Int64 { values, .. }) = theirs.results().get_output_field("count(*)") else {
            panic!("no number: {theirs:?}")
        };
        assert_eq!(values, &[rows]);
        assert_eq!(adapter.count("default", "products", filter).await, Ok(rows));
    }
}
