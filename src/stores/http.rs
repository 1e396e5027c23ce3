//! Our HTTP client for what `object_store` asks itself: tokens.

use async_trait::async_trait;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    },
};

use super::port::StoreErrorKind;
use crate::web::{Failure, Http};

/// Longest answer of a token service.
const MAX_TOKEN: usize = 1 << 20;

/// The class of a listing that failed so.
pub(super) fn kind(failure: &Failure) -> StoreErrorKind {
    match failure {
        Failure::Certificate(_) => StoreErrorKind::Certificate,
        Failure::Unreachable(_) => StoreErrorKind::Unreachable,
        Failure::TooLong(_) => StoreErrorKind::Malformed,
        Failure::LinkLocal => StoreErrorKind::Invalid,
    }
}

impl HttpConnector for Http {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // A kind that is not repeated.
        let failed = |failure| HttpError::new(HttpErrorKind::Unknown, failure);
        let answer = self.send(request, MAX_TOKEN).await.map_err(failed)?;
        let body = |bytes| HttpResponseBody::new(Full::<Bytes>::new(bytes).map_err(|never| match never {}));
        Ok(answer.map(body))
    }
}
