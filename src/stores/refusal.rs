//! What a store's refusal means, as far as its status, its error code and a region tell. Nothing else of it is repeated.

use hyper::{Response, StatusCode, body::Bytes};

use super::{
    page,
    port::{StoreError, StoreErrorKind},
};
use crate::web;

/// Codes of an unknown or a wrong key, with those of other makers.
const UNKNOWN_KEY: [&str; 4] = ["InvalidAccessKeyId", "XAdminUserNotFound", "InvalidSecurity", "AuthenticationFailed"];
const EXPIRED: [&str; 3] = ["ExpiredToken", "TokenRefreshRequired", "InvalidToken"];
/// Codes of a bucket elsewhere, or of a signature for elsewhere.
const ELSEWHERE: [&str; 6] = [
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "IllegalLocationConstraintException",
    "IncorrectEndpoint",
    "PermanentRedirect",
    "TemporaryRedirect",
];

/// The error that an answer without success is. `store` names it.
pub(super) fn refused(store: &str, answer: &Response<Bytes>) -> StoreError {
    let of_header = |name: &str| answer.headers().get(name).and_then(|value| page::plain(value.to_str().ok()?));
    let code = page::error_code(answer.body()).or_else(|| of_header("x-ms-error-code")).unwrap_or_default();
    let region = of_header("x-amz-bucket-region").or_else(|| page::element(answer.body(), "Region"));
    let status = answer.status();
    let (kind, rest) = meaning(status, &code, region.as_deref());
    let said = if code.is_empty() { status.as_str().to_owned() } else { format!("{} {code}", status.as_str()) };
    let retry_after = web::retry_after(answer.headers());
    StoreError { retry_after, ..StoreError::new(kind, format!("{store} answers {said}: {rest}")) }
}

fn meaning(status: StatusCode, code: &str, region: Option<&str>) -> (StoreErrorKind, String) {
    use StoreErrorKind::{Busy, Denied, Invalid, NotFound, Redirected};
    if ELSEWHERE.contains(&code) || (status.is_redirection() && region.is_some()) {
        let there = region.map(|region| format!(", which is {region}")).unwrap_or_default();
        let message = format!(
            "the request is for another region than the bucket's{there}. Set region of the connection's source."
        );
        return (Redirected, message);
    }
    let (kind, message) = match (status.as_u16(), code) {
        (300..=399, _) => (
            Redirected,
            "it sends the operator to another address, which is not followed. Set endpoint of the connection's source.",
        ),
        (_, code) if UNKNOWN_KEY.contains(&code) => {
            (Denied, "the credentials are unknown or wrong. Correct the Secret of the source's auth.")
        }
        (_, code) if EXPIRED.contains(&code) => {
            (Denied, "the session token has expired or is wrong. Renew it in the Secret of the source's auth.")
        }
        (_, "SignatureDoesNotMatch") => {
            (Denied, "the secret key does not fit the access key. Correct the Secret of the source's auth.")
        }
        (_, "RequestTimeTooSkewed") => (
            Denied,
            "its clock and the operator's differ by more than 15 minutes. Check the clock of the operator's node.",
        ),
        (401 | 403, _) => (
            Denied,
            "the credentials may not list there. Allow them to list the bucket (s3:ListBucket, storage.objects.list, or Storage Blob \
             Data Reader).",
        ),
        (404, _) => (NotFound, "there is no such bucket. Check the source and the endpoint."),
        (429 | 500.., _) => (Busy, "it is overloaded or failed inside."),
        _ => (Invalid, "it does not accept the request. Check region, endpoint and auth of the connection's source."),
    };
    (kind, message.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> StoreError {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        refused("The store", &answer.body(Bytes::from(body.to_owned())).unwrap())
    }

    fn with_code(status: u16, code: &str) -> StoreError {
        answer(status, &[], &format!("<Error><Code>{code}</Code><StringToSign>hunter2</StringToSign></Error>"))
    }

    #[test]
    fn a_refusal_is_of_its_class() {
        use StoreErrorKind::{Busy, Denied, Invalid, NotFound, Redirected};
        for (status, code, kind) in [
            (403, "AccessDenied", Denied),
            (403, "SignatureDoesNotMatch", Denied),
            (404, "XAdminUserNotFound", Denied),
            (400, "ExpiredToken", Denied),
            (401, "", Denied),
            (404, "NoSuchBucket", NotFound),
            (404, "ContainerNotFound", NotFound),
            (503, "SlowDown", Busy),
            (500, "InternalError", Busy),
            (429, "", Busy),
            (307, "", Redirected),
            (400, "AuthorizationHeaderMalformed", Redirected),
            (400, "InvalidArgument", Invalid),
            (418, "", Invalid),
        ] {
            let error = with_code(status, code);
            assert_eq!(error.kind, kind, "{status} {code}");
            assert!(
                error.message.starts_with(&format!("The store answers {status} {code}").trim_end().to_owned()),
                "{error}"
            );
            assert!(!error.message.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn another_region_is_named() {
        let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        for error in [answer(301, &[("x-amz-bucket-region", "eu-west-1")], ""), answer(400, &[], malformed)] {
            assert_eq!(error.kind, StoreErrorKind::Redirected);
            assert!(error.message.contains("region") && error.message.contains("eu-west-1"), "{error}");
        }
        let bare = with_code(301, "PermanentRedirect");
        assert!(bare.message.contains("region"), "{bare}");
    }
}
