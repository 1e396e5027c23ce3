//! What is asked of a collection that queries are to find.

use super::*;
use crate::milvus::{
    Index, IndexState, LoadState, MAX_SEGMENTS, MilvusError, Segments,
    grpc::{GrpcMilvus, wire::schema},
    scrub::MAX_MESSAGE,
};

fn mapped(infos: Vec<milvus::PersistentSegmentInfo>) -> Reply {
    Reply::message(&milvus::GetPersistentSegmentInfoResponse { status: ok(), infos })
}

fn served(infos: Vec<milvus::QuerySegmentInfo>) -> Reply {
    Reply::message(&milvus::GetQuerySegmentInfoResponse { status: ok(), infos })
}

fn flushed(segment_id: i64, num_rows: i64) -> milvus::PersistentSegmentInfo {
    let (state, level) = (common::SegmentState::Flushed.into(), common::SegmentLevel::L1.into());
    milvus::PersistentSegmentInfo { segment_id, num_rows, state, level }
}

fn replica(segment_id: i64, num_rows: i64, nodes: &[i64]) -> milvus::QuerySegmentInfo {
    let (state, node_ids) = (common::SegmentState::Sealed.into(), nodes.to_vec());
    milvus::QuerySegmentInfo { segment_id, num_rows, state, node_ids, ..Default::default() }
}

fn described(indexes: Vec<milvus::IndexDescription>) -> Reply {
    Reply::message(&milvus::DescribeIndexResponse { status: ok(), index_descriptions: indexes })
}

fn column(numbers: Vec<i64>) -> schema::FieldData {
    let data = schema::scalar_field::Data::LongData(schema::LongArray { data: numbers });
    let scalars = schema::field_data::Field::Scalars(schema::ScalarField { data: Some(data) });
    schema::FieldData { field: Some(scalars), ..Default::default() }
}

fn counted(columns: Vec<schema::FieldData>) -> Reply {
    Reply::message(&milvus::QueryResults { status: ok(), fields_data: columns })
}

/// A client of a server with this one answer, which may be so long that a busy machine takes minutes to read it.
async fn of(reply: Reply) -> GrpcMilvus {
    client_with(serve(move |_| reply.clone()).await.0, 30 * PATIENCE, None)
}

/// What each call about how a collection is served fails with.
pub async fn errors(client: &GrpcMilvus) -> [MilvusError; 5] {
    [
        client.load_state("db", COLLECTION).await.unwrap_err(),
        client.mapped_segments("db", COLLECTION).await.unwrap_err(),
        client.served_segments("db", COLLECTION).await.unwrap_err(),
        client.indexes("db", COLLECTION).await.unwrap_err(),
        client.count("db", COLLECTION, "").await.unwrap_err(),
    ]
}

#[tokio::test]
async fn each_call_names_database_and_collection_and_a_count_is_strong() {
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel::<Seen>();
    let (address, _) = serve(move |request| {
        let _ = seen.send(request);
        counted(vec![column(vec![7])])
    })
    .await;
    let client = client(address);
    let _ = client.load_state("sales", COLLECTION).await;
    let asked = milvus::GetLoadStateRequest::decode(requests.recv().await.unwrap().message).unwrap();
    assert_eq!((asked.db_name.as_str(), asked.collection_name.as_str()), ("sales", COLLECTION));
    let _ = client.mapped_segments("sales", COLLECTION).await;
    let asked = milvus::GetPersistentSegmentInfoRequest::decode(requests.recv().await.unwrap().message).unwrap();
    assert_eq!((asked.db_name.as_str(), asked.collection_name.as_str()), ("sales", COLLECTION));
    let _ = client.served_segments("sales", COLLECTION).await;
    let asked = milvus::GetQuerySegmentInfoRequest::decode(requests.recv().await.unwrap().message).unwrap();
    assert_eq!((asked.db_name.as_str(), asked.collection_name.as_str()), ("sales", COLLECTION));
    let _ = client.indexes("sales", COLLECTION).await;
    let asked = milvus::DescribeIndexRequest::decode(requests.recv().await.unwrap().message).unwrap();
    assert_eq!((asked.db_name.as_str(), asked.collection_name.as_str()), ("sales", COLLECTION));
    assert_eq!(client.count("sales", COLLECTION, "batch == \"7\"").await, Ok(7));
    let asked = milvus::QueryRequest::decode(requests.recv().await.unwrap().message).unwrap();
    assert_eq!((asked.db_name.as_str(), asked.collection_name.as_str()), ("sales", COLLECTION));
    assert_eq!((asked.expr.as_str(), asked.output_fields), ("batch == \"7\"", vec!["count(*)".to_owned()]));
    assert_eq!(asked.consistency_level, i32::from(common::ConsistencyLevel::Strong));
}

#[tokio::test]
async fn a_load_state_that_nobody_knows_is_no_proof() {
    for (number, state) in [
        (0, LoadState::NotLoaded),
        (1, LoadState::NotLoaded),
        (2, LoadState::Loading),
        (3, LoadState::Loaded),
        (4, LoadState::Loading),
        (-1, LoadState::Loading),
    ] {
        let answer = milvus::GetLoadStateResponse { status: ok(), state: number };
        assert_eq!(of(Reply::message(&answer)).await.load_state("db", COLLECTION).await, Ok(state), "{number}");
    }
}

#[tokio::test]
async fn only_flushed_segments_with_rows_are_mapped() {
    let states = (0..=9).map(|state| milvus::PersistentSegmentInfo { state, ..flushed(100 + i64::from(state), 9) });
    let levels = (0..=3).map(|level| milvus::PersistentSegmentInfo { level, ..flushed(200 + i64::from(level), 9) });
    let answer = mapped(states.chain(levels).chain([flushed(300, -5)]).collect());
    let expected = Segments::from([(104, 9), (200, 9), (202, 9), (203, 9), (300, 0)]);
    assert_eq!(of(answer).await.mapped_segments("db", COLLECTION).await, Ok(expected));
}

#[tokio::test]
async fn a_segment_with_several_replicas_is_served_once_in_either_form() {
    let expected = Segments::from([(1, 10), (2, 20)]);
    let newer = served(vec![replica(1, 10, &[7, 8]), replica(2, 20, &[8, 7])]);
    assert_eq!(of(newer).await.served_segments("db", COLLECTION).await.as_ref(), Ok(&expected));
    let entry = |segment, rows, node_id| milvus::QuerySegmentInfo { node_id, ..replica(segment, rows, &[]) };
    let older = served(vec![entry(1, 10, 7), entry(2, 20, 7), entry(1, 10, 8), entry(2, 20, 8)]);
    assert_eq!(of(older).await.served_segments("db", COLLECTION).await.as_ref(), Ok(&expected));
    let uneven = served(vec![entry(1, 10, 7), entry(2, 25, 7), entry(1, 12, 8), entry(2, 20, 8)]);
    assert_eq!(of(uneven).await.served_segments("db", COLLECTION).await.as_ref(), Ok(&expected));
}

#[tokio::test]
async fn deletions_are_no_segments_that_are_served() {
    let deletions = milvus::QuerySegmentInfo { level: common::SegmentLevel::L0.into(), ..replica(2, 5, &[7]) };
    let answer = served(vec![replica(1, 10, &[7]), deletions]);
    assert_eq!(of(answer).await.served_segments("db", COLLECTION).await, Ok(Segments::from([(1, 10)])));
    assert_eq!(of(served(vec![])).await.served_segments("db", COLLECTION).await, Ok(Segments::new()));
}

#[tokio::test]
async fn a_segment_without_an_id_is_malformed() {
    for id in [0, -1] {
        let error = of(mapped(vec![flushed(id, 1)])).await.mapped_segments("db", COLLECTION).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
        let error = of(served(vec![replica(id, 1, &[])])).await.served_segments("db", COLLECTION).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
    }
}

#[tokio::test]
async fn a_hundred_thousand_segments_are_read_and_one_more_is_malformed() {
    let most = i64::try_from(MAX_SEGMENTS).unwrap();
    // What was dropped and what is a replica of another does not count.
    let dropped = |id| milvus::PersistentSegmentInfo { state: common::SegmentState::Dropped.into(), ..flushed(id, 1) };
    let many = |count| (1..=count).map(|id| flushed(id, id)).chain((1..=most).map(|id| dropped(2 * most + id)));
    let segments = of(mapped(many(most).collect())).await.mapped_segments("db", COLLECTION).await.unwrap();
    assert_eq!((segments.len(), segments[&most]), (MAX_SEGMENTS, most));
    let error = of(mapped(many(most + 1).collect())).await.mapped_segments("db", COLLECTION).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(error.message, "Milvus lists more than 100000 segments of one collection.");

    let many = |count| (1..=count).chain(1..=count).map(|id| replica(id, id, &[7]));
    let segments = of(served(many(most).collect())).await.served_segments("db", COLLECTION).await.unwrap();
    assert_eq!((segments.len(), segments[&most]), (MAX_SEGMENTS, most));
    let error = of(served(many(most + 1).collect())).await.served_segments("db", COLLECTION).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn a_segment_of_millions_of_nodes_is_read_without_them() {
    let answer = served(vec![replica(1, 10, &vec![1; 8 << 20])]);
    assert_eq!(of(answer).await.served_segments("db", COLLECTION).await, Ok(Segments::from([(1, 10)])));
}

#[tokio::test]
async fn lists_of_segments_that_do_not_come_keep_no_list_of_jobs_waiting() {
    let (address, _) =
        serve(|request| if request.path.ends_with("SegmentInfo") { Reply::Hang } else { jobs(vec![]) }).await;
    let client = client(address);
    let hanging = async {
        let mapped = (0..8).map(|_| client.mapped_segments("db", COLLECTION));
        let served = (0..8).map(|_| client.served_segments("db", COLLECTION));
        futures::future::join_all(mapped.chain(served)).await;
    };
    tokio::select! {
        biased;
        () = hanging => panic!("the server does not answer"),
        listed = client.list("db", COLLECTION) => assert_eq!(listed, Ok(vec![])),
    }
}

#[tokio::test]
async fn an_index_is_finished_unfinished_or_failed() {
    let index = |state, pending_index_rows, reason: &str| milvus::IndexDescription {
        index_name: format!("index {state}"),
        state,
        pending_index_rows,
        index_state_fail_reason: reason.to_owned(),
        ..Default::default()
    };
    let answer = described((0..=6).map(|state| index(state, 3 - i64::from(state), "a\nreason")).collect());
    let seen = of(answer).await.indexes("db", COLLECTION).await.unwrap();
    use IndexState::{Failed, Finished, Unfinished};
    let states: Vec<_> = seen.iter().map(|index| index.state).collect();
    assert_eq!(states, [Unfinished, Unfinished, Unfinished, Finished, Failed, Unfinished, Unfinished]);
    let expected = Index { name: "index 2".into(), state: Unfinished, pending_rows: 1, reason: "a reason".into() };
    assert_eq!((&seen[2], seen[6].pending_rows), (&expected, 0));
}

#[tokio::test]
async fn a_collection_without_an_index_has_an_empty_list_of_them() {
    for (code, error_code) in [(700, 1), (0, 25)] {
        let status =
            Some(common::Status { code, error_code, reason: "index not found".to_owned(), ..Default::default() });
        let answer = milvus::DescribeIndexResponse { status, index_descriptions: vec![] };
        assert_eq!(of(Reply::message(&answer)).await.indexes("db", COLLECTION).await, Ok(vec![]), "{code}");
    }
    assert_eq!(of(described(vec![])).await.indexes("db", COLLECTION).await, Ok(vec![]));
    let error = of(refused(700, 25)).await.load_state("db", COLLECTION).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Internal, "no answer to any other question");
}

#[tokio::test]
async fn the_words_about_an_index_are_short_and_without_credentials() {
    let answer = described(vec![milvus::IndexDescription {
        index_name: "x".repeat(256),
        index_state_fail_reason: format!("bad login hunter2000 {}", "x".repeat(1 << 20)),
        ..Default::default()
    }]);
    let (address, _) = serve(move |_| answer.clone()).await;
    let login = Login::User { name: "root".to_owned(), password: "hunter2000".into() };
    let [index] =
        client_with(address, PATIENCE, Some(login)).indexes("db", COLLECTION).await.unwrap().try_into().unwrap();
    assert!(index.reason.starts_with("bad login *** x") && index.reason.len() <= MAX_MESSAGE, "{}", index.reason);
    assert_eq!(index.name, "(a name of 256 bytes)");
}

#[tokio::test]
async fn more_than_a_thousand_indexes_are_malformed() {
    let many = |count| described(vec![milvus::IndexDescription::default(); count]);
    assert_eq!(of(many(1_000)).await.indexes("db", COLLECTION).await.unwrap().len(), 1_000);
    let error = of(many(1_001)).await.indexes("db", COLLECTION).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
}

#[tokio::test]
async fn a_count_is_one_number_of_one_column() {
    for rows in [0, 7, i64::MAX] {
        assert_eq!(of(counted(vec![column(vec![rows])])).await.count("db", COLLECTION, "").await, Ok(rows));
    }
    let floats = schema::FieldData { field_name: "count(*)".to_owned(), ..Default::default() };
    for columns in [
        vec![],
        vec![column(vec![])],
        vec![column(vec![-1])],
        vec![column(vec![1, 2])],
        vec![column(vec![1]), column(vec![1])],
        vec![floats],
    ] {
        let error = of(counted(columns.clone())).await.count("db", COLLECTION, "").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{columns:?}");
    }
    let large = schema::FieldData { field_name: "x".repeat(64 << 10), ..column(vec![1]) };
    let error = of(counted(vec![large])).await.count("db", COLLECTION, "").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed, "the answer is too large");
}

fn refused(code: i32, error_code: i32) -> Reply {
    let reason = "so says Milvus".to_owned();
    let status = Some(common::Status { code, error_code, reason, ..Default::default() });
    // The status is the first field of every answer.
    Reply::message(&milvus::GetVersionResponse { status, version: String::new() })
}

#[tokio::test]
async fn each_call_has_the_class_of_its_error_and_keeps_the_words_of_milvus() {
    let privilege = "PrivilegeQuery: permission deny to root in the `default` database";
    let rows = [
        (refused(100, 4), ErrorKind::CollectionNotFound, "so says Milvus"),
        (refused(101, 1), ErrorKind::NotLoaded, "so says Milvus"),
        (refused(103, 1), ErrorKind::NotLoaded, "so says Milvus"),
        (refused(106, 1), ErrorKind::NotLoaded, "so says Milvus"),
        (refused(1100, 5), ErrorKind::InvalidRequest, "so says Milvus"),
        (refused(7, 1), ErrorKind::Busy, "so says Milvus"),
        (refused(12, 1), ErrorKind::Busy, "so says Milvus"),
        (refused(1401, 3), ErrorKind::PermissionDenied, "so says Milvus"),
        (Reply::status(Code::PermissionDenied, privilege), ErrorKind::PermissionDenied, privilege),
        (Reply::status(Code::Unimplemented, "unknown method"), ErrorKind::Unsupported, "unknown method"),
    ];
    for (reply, kind, words) in rows {
        for error in errors(&of(reply).await).await {
            assert_eq!((error.kind, error.message.as_str()), (kind, words));
        }
    }
}

#[tokio::test]
async fn garbage_is_malformed_to_each_call() {
    let grpc = || vec![("content-type", "application/grpc".to_owned())];
    // A good status, and then an entry that announces more than there is, or that is no message.
    for garbage in [&[0x0a, 0, 0x12, 5, 1][..], &[0x0a, 0, 0x12, 1, 0xff], &[0xff; 9], &[]] {
        for error in errors(&of(Reply::framed(garbage, grpc())).await).await {
            assert_eq!(error.kind, ErrorKind::Malformed, "{garbage:?}: {error}");
        }
    }
}
