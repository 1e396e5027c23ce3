//! What each call does, and how what it finds is answered.

use tonic::{Request, Response, Status};

use super::{
    answer::success,
    refusal::Refusal,
    service::Server,
    spec,
    world::{Collection, Submit},
};
use crate::wire::{
    common::ServerInfo,
    milvus::{
        ConnectRequest, ConnectResponse, DescribeCollectionRequest, DescribeCollectionResponse, DescribeIndexRequest,
        DescribeIndexResponse, GetLoadStateRequest, GetLoadStateResponse, GetPersistentSegmentInfoRequest,
        GetPersistentSegmentInfoResponse, GetQuerySegmentInfoRequest, GetQuerySegmentInfoResponse,
        GetRefreshExternalCollectionProgressRequest, GetRefreshExternalCollectionProgressResponse, GetVersionRequest,
        GetVersionResponse, ListRefreshExternalCollectionJobsRequest, ListRefreshExternalCollectionJobsResponse,
        QueryRequest, QueryResults, RefreshExternalCollectionRequest, RefreshExternalCollectionResponse,
        milvus_service_server::MilvusService,
    },
    schema::{CollectionSchema, DataType, FieldData, FieldSchema, LongArray, ScalarField, field_data, scalar_field},
};

/// The one thing that is queried.
const COUNT: &str = "count(*)";

#[tonic::async_trait]
impl MilvusService for Server {
    async fn connect(&self, request: Request<ConnectRequest>) -> Result<Response<ConnectResponse>, Status> {
        self.serve(request, |state, _, _, _| {
            let info = ServerInfo {
                build_tags: state.settings.version.clone(),
                deploy_mode: "STANDALONE".to_owned(),
                ..ServerInfo::default()
            };
            Ok(ConnectResponse { status: success(), server_info: Some(info), identifier: state.world.allocate() })
        })
        .await
    }

    async fn get_version(&self, request: Request<GetVersionRequest>) -> Result<Response<GetVersionResponse>, Status> {
        self.serve(request, |state, _, _, _| {
            Ok(GetVersionResponse { status: success(), version: state.settings.version.clone() })
        })
        .await
    }

    async fn describe_collection(
        &self,
        request: Request<DescribeCollectionRequest>,
    ) -> Result<Response<DescribeCollectionResponse>, Status> {
        self.serve(request, |state, asked, _, _| {
            state.world.describe(&asked.db_name, &asked.collection_name, asked.collection_id).map(description)
        })
        .await
    }

    async fn get_load_state(
        &self,
        request: Request<GetLoadStateRequest>,
    ) -> Result<Response<GetLoadStateResponse>, Status> {
        self.serve(request, |state, asked, _, _| {
            let found = state.world.find(&asked.db_name, &asked.collection_name)?;
            Ok(GetLoadStateResponse { status: success(), state: found.load_state().into() })
        })
        .await
    }

    async fn get_persistent_segment_info(
        &self,
        request: Request<GetPersistentSegmentInfoRequest>,
    ) -> Result<Response<GetPersistentSegmentInfoResponse>, Status> {
        self.serve(request, |state, asked, _, _| {
            let found = state.world.find(&asked.db_name, &asked.collection_name)?;
            Ok(GetPersistentSegmentInfoResponse { status: success(), infos: found.mapped_segments() })
        })
        .await
    }

    async fn get_query_segment_info(
        &self,
        request: Request<GetQuerySegmentInfoRequest>,
    ) -> Result<Response<GetQuerySegmentInfoResponse>, Status> {
        self.serve(request, |state, asked, now, _| {
            let found = state.world.find(&asked.db_name, &asked.collection_name)?;
            Ok(GetQuerySegmentInfoResponse { status: success(), infos: found.served_segments(now) })
        })
        .await
    }

    async fn describe_index(
        &self,
        request: Request<DescribeIndexRequest>,
    ) -> Result<Response<DescribeIndexResponse>, Status> {
        self.serve(request, |state, asked, _, _| {
            let found = state.world.find(&asked.db_name, &asked.collection_name)?;
            Ok(DescribeIndexResponse { status: success(), index_descriptions: found.indexes()? })
        })
        .await
    }

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<QueryResults>, Status> {
        self.serve(request, |state, asked, now, _| {
            let found = state.world.find(&asked.db_name, &asked.collection_name)?;
            if asked.output_fields != [COUNT] {
                return Err(Refusal::invalid(format!("field {} not exist", asked.output_fields.join(", "))));
            }
            let rows = found.count(&asked.expr, now)?;
            Ok(QueryResults { status: success(), fields_data: vec![column(rows)] })
        })
        .await
    }

    async fn refresh_external_collection(
        &self,
        request: Request<RefreshExternalCollectionRequest>,
    ) -> Result<Response<RefreshExternalCollectionResponse>, Status> {
        self.serve(request, |state, asked, now, _| {
            let submit = Submit {
                database: &asked.db_name,
                collection: &asked.collection_name,
                source: &asked.external_source,
                spec: &asked.external_spec,
            };
            let job_id = state.world.refresh(&submit, state.settings.duplicate_wording, now)?;
            Ok(RefreshExternalCollectionResponse { status: success(), job_id })
        })
        .await
    }

    async fn get_refresh_external_collection_progress(
        &self,
        request: Request<GetRefreshExternalCollectionProgressRequest>,
    ) -> Result<Response<GetRefreshExternalCollectionProgressResponse>, Status> {
        self.serve(request, |state, asked, now, clock| {
            let job_info = state.world.progress(asked.job_id, now, clock)?;
            Ok(GetRefreshExternalCollectionProgressResponse { status: success(), job_info: Some(job_info) })
        })
        .await
    }

    async fn list_refresh_external_collection_jobs(
        &self,
        request: Request<ListRefreshExternalCollectionJobsRequest>,
    ) -> Result<Response<ListRefreshExternalCollectionJobsResponse>, Status> {
        self.serve(request, |state, asked, now, clock| {
            let jobs = state.world.list(&asked.db_name, &asked.collection_name, now, clock)?;
            Ok(ListRefreshExternalCollectionJobsResponse { status: success(), jobs })
        })
        .await
    }
}

/// A collection as Milvus describes it: an external one has a virtual key and a field backed by a column.
fn description(collection: &Collection) -> DescribeCollectionResponse {
    let settings = &collection.settings;
    let field = |field_id, name: &str, column: &str| FieldSchema {
        field_id,
        name: name.to_owned(),
        is_primary_key: column.is_empty(),
        data_type: DataType::Int64.into(),
        external_field: column.to_owned(),
    };
    let fields = if settings.external {
        vec![field(100, "__virtual_pk__", ""), field(101, "product", "product_id")]
    } else {
        vec![field(100, "product", "")]
    };
    DescribeCollectionResponse {
        status: success(),
        schema: Some(CollectionSchema {
            name: settings.name.clone(),
            description: String::new(),
            fields,
            db_name: settings.database.clone(),
            external_source: settings.source.clone(),
            external_spec: spec::redact(&settings.spec),
        }),
        collection_id: collection.id,
        aliases: settings.aliases.clone(),
        collection_name: settings.name.clone(),
        db_name: settings.database.clone(),
    }
}

/// The column of one number that a count is answered with.
fn column(rows: i64) -> FieldData {
    let data = scalar_field::Data::LongData(LongArray { data: vec![rows] });
    FieldData {
        r#type: DataType::Int64.into(),
        field_name: COUNT.to_owned(),
        field: Some(field_data::Field::Scalars(ScalarField { data: Some(data) })),
    }
}
