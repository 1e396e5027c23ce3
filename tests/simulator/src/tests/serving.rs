//! What is mapped, loaded, indexed and served.

use super::*;
use crate::wire::{
    common::{IndexState, LoadState, SegmentState},
    milvus::{
        DescribeIndexRequest, DescribeIndexResponse, GetLoadStateRequest, GetLoadStateResponse,
        GetPersistentSegmentInfoRequest, GetPersistentSegmentInfoResponse, GetQuerySegmentInfoRequest,
        GetQuerySegmentInfoResponse, QueryRequest, QueryResults,
    },
    schema::{field_data, scalar_field},
};

impl Client {
    async fn load_state(&mut self, collection: &str) -> Result<GetLoadStateResponse, Status> {
        let asked = GetLoadStateRequest { collection_name: collection.to_owned(), ..Default::default() };
        Ok(self.service.get_load_state(self.request(asked)).await?.into_inner())
    }

    async fn mapped(&mut self, collection: &str) -> Result<GetPersistentSegmentInfoResponse, Status> {
        let asked = GetPersistentSegmentInfoRequest { collection_name: collection.to_owned(), ..Default::default() };
        Ok(self.service.get_persistent_segment_info(self.request(asked)).await?.into_inner())
    }

    async fn served(&mut self, collection: &str) -> Result<GetQuerySegmentInfoResponse, Status> {
        let asked = GetQuerySegmentInfoRequest { collection_name: collection.to_owned(), ..Default::default() };
        Ok(self.service.get_query_segment_info(self.request(asked)).await?.into_inner())
    }

    async fn indexes(&mut self, collection: &str) -> Result<DescribeIndexResponse, Status> {
        let asked = DescribeIndexRequest { collection_name: collection.to_owned(), ..Default::default() };
        Ok(self.service.describe_index(self.request(asked)).await?.into_inner())
    }

    async fn query(&mut self, collection: &str, filter: &str) -> Result<QueryResults, Status> {
        let asked = QueryRequest {
            collection_name: collection.to_owned(),
            expr: filter.to_owned(),
            output_fields: vec!["count(*)".to_owned()],
            ..Default::default()
        };
        Ok(self.service.query(self.request(asked)).await?.into_inner())
    }

    /// A count that must be given.
    async fn count(&mut self, filter: &str) -> i64 {
        let answer = self.query("products", filter).await.unwrap();
        assert_eq!(code(&answer.status), 0, "{answer:?}");
        let Some(field_data::Field::Scalars(scalars)) = &answer.fields_data[0].field else { panic!("{answer:?}") };
        let Some(scalar_field::Data::LongData(numbers)) = &scalars.data else { panic!("{answer:?}") };
        numbers.data[0]
    }

    /// Ids and rows of the segments in this state.
    async fn mapped_as(&mut self, state: SegmentState) -> Vec<(i64, i64)> {
        let infos = self.mapped("products").await.unwrap().infos;
        infos.iter().filter(|info| info.state() == state).map(|info| (info.segment_id, info.num_rows)).collect()
    }

    /// Ids and rows of the segments that are served.
    async fn served_rows(&mut self) -> Vec<(i64, i64)> {
        self.served("products").await.unwrap().infos.iter().map(|info| (info.segment_id, info.num_rows)).collect()
    }

    /// Refreshes from these rows a batch, to the end.
    async fn ingest(&mut self, simulator: &Simulator, batches: &[(&str, i64)]) {
        simulator.serving("default", "products", |serving| serving.find(batches));
        self.start("products").await;
        simulator.advance(10 * SECOND);
    }

    /// The errors of all calls.
    async fn errors(&mut self) -> [Status; 5] {
        [
            self.load_state("products").await.unwrap_err(),
            self.mapped("products").await.unwrap_err(),
            self.served("products").await.unwrap_err(),
            self.indexes("products").await.unwrap_err(),
            self.query("products", "").await.unwrap_err(),
        ]
    }
}

#[tokio::test]
async fn a_refresh_that_completes_maps_what_it_finds_and_keeps_what_has_not_changed() {
    let (simulator, mut client) = milvus().await;
    assert_eq!((client.mapped_as(SegmentState::Flushed).await, client.count("").await), (vec![], 0));
    client.ingest(&simulator, &[("24", 1_500_000), ("25", 40)]).await;
    let first = client.mapped_as(SegmentState::Flushed).await;
    assert_eq!(first.iter().map(|(_, rows)| *rows).collect::<Vec<_>>(), [1_000_000, 500_000, 40]);
    assert_eq!(client.mapped_as(SegmentState::Dropped).await, []);

    client.ingest(&simulator, &[("24", 1_500_000), ("25", 50), ("26", 7)]).await;
    let second = client.mapped_as(SegmentState::Flushed).await;
    assert_eq!((&second[..2], second.len()), (&first[..2], 4));
    assert_eq!(client.mapped_as(SegmentState::Dropped).await, first[2..], "listed until it is collected");
    let mut ids: Vec<i64> = first.iter().chain(&second[2..]).map(|(id, _)| *id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 5, "no id is given out twice");
    assert_eq!(client.served_rows().await, second);
}

#[tokio::test]
async fn a_refresh_that_fails_or_still_runs_maps_nothing() {
    let (simulator, mut client) = milvus().await;
    client.ingest(&simulator, &[("24", 10)]).await;
    simulator.serving("default", "products", |serving| serving.find(&[("25", 10)]));
    client.start("products").await;
    assert_eq!((client.count("batch == \"24\"").await, client.count("batch == \"25\"").await), (10, 0));
    simulator.advance(HOUR);
    simulator.set_plan("default", "products", Plan::fails_in(SECOND, "no"));
    client.ingest(&simulator, &[("26", 10)]).await;
    assert_eq!((client.count("batch == \"25\"").await, client.count("batch == \"26\"").await), (10, 0));
}

#[tokio::test]
async fn a_job_that_is_ended_by_hand_maps_as_well() {
    let (simulator, mut client) = milvus().await;
    let id = client.start("products").await;
    assert!(simulator.finish_job(JobId(id), Outcome::Complete));
    assert_eq!(client.count("").await, 1_000);
}

#[tokio::test]
async fn what_is_mapped_is_served_only_after_a_while() {
    let (simulator, mut client) = milvus().await;
    client.ingest(&simulator, &[("24", 10)]).await;
    simulator.serving("default", "products", |serving| serving.target_delay = HOUR);
    client.ingest(&simulator, &[("25", 30)]).await;
    let mapped = client.mapped_as(SegmentState::Flushed).await;
    assert_eq!(mapped.iter().map(|(_, rows)| rows).sum::<i64>(), 30);
    assert_eq!((client.count("").await, client.count("batch == \"25\"").await), (10, 0));
    simulator.advance(HOUR);
    assert_eq!((client.count("").await, client.count("batch == \"25\"").await), (30, 30));
    assert_eq!(client.served_rows().await, mapped);
}

#[tokio::test]
async fn replicas_show_in_either_form() {
    let (simulator, mut client) = milvus().await;
    client.ingest(&simulator, &[("24", 10), ("25", 20)]).await;
    simulator.serving("default", "products", |serving| serving.replicas = 3);
    let infos = client.served("products").await.unwrap().infos;
    assert_eq!(infos.iter().map(|info| info.node_ids.len()).collect::<Vec<_>>(), [3, 3]);
    simulator.serving("default", "products", |serving| serving.replica_form = ReplicaForm::Entries);
    let infos = client.served("products").await.unwrap().infos;
    assert_eq!(infos.len(), 6);
    assert!(infos.iter().all(|info| info.node_ids.is_empty() && info.node_id > 0), "{infos:?}");
    assert_eq!(client.count("").await, 30, "replicas add no rows");
}

#[tokio::test]
async fn what_is_not_loaded_is_not_served_and_not_counted() {
    let (simulator, mut client) = milvus().await;
    client.ingest(&simulator, &[("24", 10)]).await;
    for (load, state) in [(Load::Released, LoadState::NotLoad), (Load::Loading, LoadState::Loading)] {
        simulator.serving("default", "products", |serving| serving.load = load);
        assert_eq!(client.load_state("products").await.unwrap().state(), state);
        assert_eq!(client.served_rows().await, []);
        let refused = client.query("products", "").await.unwrap();
        assert_eq!(code(&refused.status), 101);
        assert!(reason(&refused.status).contains("collection not loaded[collection="), "{refused:?}");
        assert_eq!(client.mapped_as(SegmentState::Flushed).await.len(), 1);
    }
    simulator.serving("default", "products", |serving| serving.load = Load::Loaded);
    assert_eq!(client.load_state("products").await.unwrap().state(), LoadState::Loaded);
    assert_eq!(client.count("").await, 10);
}

#[tokio::test]
async fn a_restart_of_the_coordinator_leaves_collections_loaded_and_empty_until_they_are_loaded_anew() {
    let (simulator, mut client) = milvus().await;
    client.ingest(&simulator, &[("24", 10)]).await;
    simulator.restart_coordinator();
    assert_eq!(client.load_state("products").await.unwrap().state(), LoadState::Loaded);
    assert_eq!((client.served_rows().await, client.count("").await), (vec![], 0));
    client.ingest(&simulator, &[("25", 10)]).await;
    assert_eq!(client.count("").await, 0, "another refresh changes nothing");
    simulator.serving("default", "products", |serving| serving.load = Load::Released);
    simulator.serving("default", "products", |serving| serving.load = Load::Loaded);
    assert_eq!(client.count("").await, 10);
}

#[tokio::test]
async fn one_segment_can_be_missing() {
    let (simulator, mut client) = milvus().await;
    client.ingest(&simulator, &[("24", 10), ("25", 20)]).await;
    simulator.serving("default", "products", |serving| serving.unserved = 1);
    assert_eq!((client.served_rows().await.len(), client.count("").await), (1, 20));
    simulator.serving("default", "products", |serving| serving.unserved = 0);
    assert_eq!((client.served_rows().await.len(), client.count("").await), (2, 30));
}

#[tokio::test]
async fn an_index_can_be_built_lag_fail_or_be_missing() {
    let (simulator, mut client) = milvus().await;
    client.ingest(&simulator, &[("24", 10)]).await;
    for (index, state, pending, words) in [
        (Index::Finished, IndexState::Finished, 0, ""),
        (Index::Lagging(4), IndexState::InProgress, 4, ""),
        (Index::Failed("access denied".into()), IndexState::Failed, 10, "access denied"),
    ] {
        simulator.serving("default", "products", |serving| serving.index = index);
        let answer = client.indexes("products").await.unwrap().index_descriptions.remove(0);
        assert_eq!((answer.state(), answer.pending_index_rows), (state, pending));
        assert_eq!((answer.indexed_rows, answer.total_rows), (10 - pending, 10));
        assert_eq!(answer.index_state_fail_reason, words);
    }
    simulator.serving("default", "products", |serving| serving.index = Index::Missing);
    assert_eq!(code(&client.indexes("products").await.unwrap().status), 700);
}

#[tokio::test]
async fn a_filter_is_a_batch_or_does_not_parse() {
    let (simulator, mut client) = milvus().await;
    client.ingest(&simulator, &[("2026-11-24", 10), ("2026-11-25", 20)]).await;
    for (filter, rows) in
        [("", 30), ("batch == \"2026-11-25\"", 20), (" batch==\"2026-11-24\" ", 10), ("batch == \"2026-11-26\"", 0)]
    {
        assert_eq!(client.count(filter).await, rows, "{filter}");
    }
    for filter in ["batch", "batch ==", "batch == 7", "batch = \"7\"", "batch == \"7\" or \"8\"", "day == \"7\"", "\""]
    {
        let refused = client.query("products", filter).await.unwrap();
        assert_eq!(code(&refused.status), 1100, "{filter}");
        let words = format!("failed to create query plan: cannot parse expression: {filter}, error: ");
        assert!(reason(&refused.status).starts_with(&words), "{refused:?}");
    }
}

#[tokio::test]
async fn nothing_but_a_count_is_queried() {
    let (_simulator, mut client) = milvus().await;
    let asked = QueryRequest {
        collection_name: "products".to_owned(),
        output_fields: vec!["product".to_owned()],
        ..Default::default()
    };
    let refused = client.service.query(asked).await.unwrap().into_inner();
    assert_eq!(code(&refused.status), 1100);
}

#[tokio::test]
async fn a_collection_that_is_missing_or_made_anew_has_nothing() {
    let (simulator, mut client) = milvus().await;
    let codes = [
        code(&client.load_state("missing").await.unwrap().status),
        code(&client.mapped("missing").await.unwrap().status),
        code(&client.served("missing").await.unwrap().status),
        code(&client.indexes("missing").await.unwrap().status),
        code(&client.query("missing", "").await.unwrap().status),
    ];
    assert_eq!(codes, [100; 5]);
    client.ingest(&simulator, &[("24", 10)]).await;
    simulator.create_collection("products", Plan::default());
    assert_eq!((client.mapped_as(SegmentState::Flushed).await, client.count("").await), (vec![], 0));
    assert!(!simulator.serving("default", "missing", |_| {}));
}

#[tokio::test]
async fn each_call_can_be_denied_unknown_or_struck_and_is_counted() {
    let (simulator, mut client) = milvus().await;
    let all = [Method::LoadState, Method::MappedSegments, Method::ServedSegments, Method::Indexes, Method::Count];
    simulator.configure(|settings| settings.denied.extend(all));
    let denied = client.errors().await;
    let privileges = ["GetLoadState", "GetPersistentSegmentInfo", "GetQuerySegmentInfo", "IndexDetail", "Query"];
    for (error, privilege) in denied.iter().zip(privileges) {
        let words = format!("Privilege{privilege}: permission deny to root in the `default` database");
        assert_eq!((error.code(), error.message()), (Code::PermissionDenied, words.as_str()));
    }
    simulator.configure(|settings| (settings.denied, settings.unknown) = (vec![], all.to_vec()));
    assert_eq!(client.errors().await.each_ref().map(Status::code), [Code::Unimplemented; 5]);
    simulator.configure(|settings| settings.unknown.clear());
    for method in all {
        simulator.fault(method, Fault::Status { code: 14, text: "gone".into(), when: When::Before });
    }
    assert_eq!(client.errors().await.each_ref().map(Status::code), [Code::Unavailable; 5]);
    assert_eq!(all.map(|method| simulator.calls(method)), [3; 5]);
    assert!(simulator.journal().iter().all(|call| call.collection == "products"));
}

#[tokio::test]
async fn a_hundred_thousand_segments_are_served() {
    let (simulator, mut client) = milvus().await;
    simulator.serving("default", "products", |serving| serving.segment_rows = 1);
    client.ingest(&simulator, &[("24", 100_000)]).await;
    client.service = client.service.max_decoding_message_size(64 << 20);
    assert_eq!(client.mapped_as(SegmentState::Flushed).await.len(), 100_000);
    assert_eq!(client.served_rows().await.len(), 100_000);
    client.ingest(&simulator, &[("24", 99_999)]).await;
    assert_eq!(client.mapped_as(SegmentState::Dropped).await.len(), 100_000);
}
