//! As whom a store is asked.

use std::{env, fs, path::PathBuf, process};

use object_store::{RetryConfig, aws::AmazonS3Builder};

use super::{super::sign::failure_of, *};
use crate::web::{Failure, Http, liar::Asked};

const AZURE_PAGE: &str = "<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>";

/// The only request of a listing of `uri` with these credentials.
async fn asked(credentials: Credentials, uri: &str) -> Asked {
    let azure = uri.starts_with("azure");
    let liar = Liar::start(move |_, _| if azure { xml(AZURE_PAGE.to_owned()) } else { page_of(&[]) }).await;
    let access = Access { credentials, ..anonymous(format!("http://{}", liar.address)) };
    list_with(access, uri, Limits::default()).await.unwrap();
    let [asked] = liar.asked().try_into().unwrap();
    asked
}

fn azure(login: AzureLogin) -> Credentials {
    Credentials::Azure { account: "shop".to_owned(), login }
}

#[tokio::test]
async fn nobody_in_particular_signs_nothing() {
    for uri in ["s3://shop", "gs://shop", "azure://shop"] {
        let asked = asked(Credentials::Anonymous, uri).await;
        assert_eq!(asked.header("authorization"), None, "{uri}");
    }
}

#[tokio::test]
async fn keys_sign_and_are_not_sent() {
    for (uri, region) in [("s3://shop", "us-east-1"), ("oss://shop", "us-east-1"), ("gs://shop", "auto")] {
        let asked = asked(keys(), uri).await;
        let signature = asked.header("authorization").unwrap();
        assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{signature}");
        assert!(signature.contains(&format!("/{region}/s3/aws4_request, SignedHeaders=host;")), "{uri}: {signature}");
        assert!(!format!("{asked:?}").contains("hunter2"), "{asked:?}");
    }
}

#[tokio::test]
async fn azure_takes_a_key_a_token_or_nobody() {
    let key = asked(azure(AzureLogin::Key("aHVudGVyMg==".into())), "azure://shop").await;
    assert!(key.header("authorization").unwrap().starts_with("SharedKey shop:"), "{key:?}");
    assert!(key.target.starts_with("/shop?restype=container&comp=list&maxresults=1000&prefix="), "{key:?}");
    let sas = asked(azure(AzureLogin::Sas("?sv=2023&sig=a%2Bb".into())), "azure://shop").await;
    assert_eq!(sas.parameter("sig"), Some("a%2Bb"));
    for nobody in [azure(AzureLogin::Anonymous), Credentials::Anonymous] {
        let asked = asked(nobody, "azure://shop").await;
        assert!(asked.header("authorization").is_none() && asked.header("x-ms-version").is_some(), "{asked:?}");
    }
}

#[tokio::test]
async fn a_service_account_signs_its_own_token() {
    let json = |key| serde_json::json!({ "type": "service_account", "private_key": key, "private_key_id": "1", "client_email": "shop@example" });
    let key = json(include_str!("service-account.pem")).to_string();
    let asked = asked(Credentials::ServiceAccount(key.as_str().into()), "gs://shop").await;
    assert!(asked.header("authorization").unwrap().starts_with("Bearer ey"), "{asked:?}");

    for wrong in [json("hunter2").to_string(), "hunter2".to_owned(), String::new()] {
        let access = Access {
            credentials: Credentials::ServiceAccount(wrong.as_str().into()),
            ..anonymous("http://127.0.0.1:1".to_owned())
        };
        let error = list_with(access, "gs://shop", Limits::default()).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Invalid, "{error}");
        assert!(!error.message.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn credentials_of_another_cloud_are_refused() {
    let identity = WorkloadIdentity::Aws { role_arn: "x".to_owned(), token_file: PathBuf::new(), sts_endpoint: None };
    for (credentials, uri) in [
        (keys(), "azure://shop"),
        (azure(AzureLogin::Anonymous), "s3://shop"),
        (Credentials::ServiceAccount("{}".into()), "s3://shop"),
        (Credentials::WorkloadIdentity(identity.clone()), "gs://shop"),
        (Credentials::WorkloadIdentity(identity.clone()), "oss://shop"),
        (Credentials::WorkloadIdentity(identity.clone()), "cos://shop"),
        (Credentials::WorkloadIdentity(identity.clone()), "obs://shop"),
        (Credentials::WorkloadIdentity(identity), "minio://127.0.0.1:1/shop"),
    ] {
        let access = Access { credentials, ..anonymous("http://127.0.0.1:1".to_owned()) };
        let error = list_with(access, uri, Limits::default()).await.unwrap_err();
        assert!(error.kind == StoreErrorKind::Invalid && error.message.contains("another cloud"), "{uri}: {error}");
    }
}

/// What comes of a listing as a role of AWS, whose token service answers this.
async fn as_role(token: Option<&str>, status: u16, key: &'static str) -> Result<Asked, StoreError> {
    let answer = format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA</AccessKeyId>\
         <SecretAccessKey>hunter2</SecretAccessKey><SessionToken>{key}</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>\
         </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    );
    let sts = Liar::start(move |_, _| Answer::Says(status, "", answer.clone())).await;
    let store = Liar::start(|_, _| page_of(&[])).await;
    let token_file = env::temp_dir().join(format!("identity-{}-{}", process::id(), sts.address.port()));
    if let Some(token) = token {
        fs::write(&token_file, token).unwrap();
    }
    let identity = WorkloadIdentity::Aws {
        role_arn: "arn:aws:iam::1:role/reader".to_owned(),
        token_file: token_file.clone(),
        sts_endpoint: Some(format!("http://{}", sts.address)),
    };
    let access = Access {
        credentials: Credentials::WorkloadIdentity(identity),
        ..anonymous(format!("http://{}", store.address))
    };
    let listed = list_with(access, "s3://shop", Limits::default()).await;
    let _ = fs::remove_file(token_file);
    listed.map(|_| store.asked()[0].clone())
}

#[tokio::test]
async fn a_role_is_taken_with_the_token_of_the_service_account() {
    let asked = as_role(Some("token"), 200, "session").await.unwrap();
    assert!(asked.header("authorization").unwrap().contains("Credential=ASIA/"), "{asked:?}");
    assert_eq!(asked.header("x-amz-security-token"), Some("session"));
}

#[tokio::test]
async fn a_token_service_that_refuses_or_lies_is_an_error_without_its_words() {
    for (token, status, key, kind) in [
        (Some("token"), 403, "hunter2", StoreErrorKind::Denied),
        (None, 200, "session", StoreErrorKind::Denied),
        (Some("token"), 200, "hunter2\u{7f}", StoreErrorKind::Malformed),
    ] {
        let error = as_role(token, status, key).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(!error.message.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn nothing_ever_asks_the_metadata_of_the_node() {
    // Without credentials the library asks for those of the node. Nothing here builds it so; if something did, our client would
    // refuse before it connects.
    let http = Http::new(None).unwrap();
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let store =
        AmazonS3Builder::new().with_bucket_name("shop").with_retry(retry).with_http_connector(http).build().unwrap();
    let error = store.credentials().get_credential().await.unwrap_err();
    assert_eq!(failure_of(&error), Some(&Failure::LinkLocal), "{error:?}");

    for endpoint in ["http://169.254.169.254", "http://169.254.170.2:80"] {
        let error = list_with(anonymous(endpoint.to_owned()), "s3://shop/p", Limits::default()).await.unwrap_err();
        assert!(error.kind == StoreErrorKind::Invalid && error.message.contains("link-local"), "{error}");
    }
}
