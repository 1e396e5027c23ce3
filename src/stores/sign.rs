//! Who we are to a store: tokens and signatures by `object_store`.

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use hyper::header::{AUTHORIZATION, HeaderValue};
use object_store::{
    BackoffConfig, CredentialProvider, RetryConfig, StaticCredentialProvider,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer, AwsCredential, AwsCredentialProvider},
    azure::{
        AzureAccessKey, AzureAuthorizer, AzureConfigKey, AzureCredential, AzureCredentialProvider,
        MicrosoftAzureBuilder, split_sas,
    },
    client::HttpRequest,
    gcp::{GcpCredentialProvider, GoogleCloudStorageBuilder},
};
use secrecy::ExposeSecret;

use super::{
    access::{Access, AzureLogin, Credentials, WorkloadIdentity, invalid},
    http::kind,
    place::Scheme,
    port::{StoreError, StoreErrorKind},
};
use crate::web::{Failure, Http};

/// The service version of the requests to Azure that nothing signs.
const AZURE_VERSION: HeaderValue = HeaderValue::from_static("2023-11-03");
/// The builders want one, and look at none.
const NO_BUCKET: &str = "none";

/// Signs requests.
#[derive(Debug)]
pub(super) enum Signer {
    /// Nobody in particular.
    Nobody,
    /// Signature version 4, also for Google's keys.
    Aws {
        credentials: AwsCredentialProvider,
        region: String,
    },
    Google(GcpCredentialProvider),
    /// `None` for nobody in particular, who has to tell a version.
    Azure {
        account: String,
        credentials: Option<AzureCredentialProvider>,
    },
}

impl Signer {
    /// For places of `scheme`; tokens are fetched by `http`. Nothing is sent.
    pub(super) fn new(access: &Access, scheme: Scheme, http: &Http) -> Result<Self, StoreError> {
        access.credentials.check()?;
        Ok(match (&access.credentials, scheme) {
            (Credentials::Anonymous, Scheme::Azure) => Self::Azure { account: String::new(), credentials: None },
            (Credentials::Anonymous, _) => Self::Nobody,
            (Credentials::Keys { id, secret, session_token }, scheme) if scheme != Scheme::Azure => {
                let credential = AwsCredential {
                    key_id: id.expose_secret().to_owned(),
                    secret_key: secret.expose_secret().to_owned(),
                    token: session_token.as_ref().map(|token| token.expose_secret().to_owned()),
                };
                let region = access.signing_region(scheme)?.to_owned();
                Self::Aws { credentials: Arc::new(StaticCredentialProvider::new(credential)), region }
            }
            (Credentials::ServiceAccount(key), Scheme::Google) => {
                Self::Google(service_account(key.expose_secret(), http)?)
            }
            (Credentials::Azure { account, login }, Scheme::Azure) => {
                Self::Azure { account: account.clone(), credentials: azure_login(login)? }
            }
            (Credentials::WorkloadIdentity(identity), scheme) => workload_identity(identity, access, scheme, http)?,
            _ => return Err(mismatch()),
        })
    }

    /// Signs `request`; may fetch a token.
    pub(super) async fn sign(&self, request: &mut HttpRequest) -> Result<(), StoreError> {
        match self {
            Self::Nobody => Ok(()),
            Self::Aws { credentials, region } => {
                let credential = token(credentials).await?;
                // A token from elsewhere that no header can hold would make the library panic.
                header(&credential.key_id)?;
                credential.token.as_deref().map_or(Ok(()), |token| header(token).map(drop))?;
                AwsAuthorizer::new(&credential, "s3", region).try_authorize(request, None).map_err(|_| unsigned())
            }
            Self::Google(credentials) => {
                let bearer = token(credentials).await?;
                request.headers_mut().insert(AUTHORIZATION, header(&format!("Bearer {}", bearer.bearer))?);
                Ok(())
            }
            Self::Azure { credentials: None, .. } => {
                request.headers_mut().insert("x-ms-version", AZURE_VERSION);
                Ok(())
            }
            Self::Azure { account, credentials: Some(credentials) } => {
                let credential = token(credentials).await?;
                if let AzureCredential::BearerToken(bearer) = credential.as_ref() {
                    header(bearer)?;
                }
                AzureAuthorizer::new(&credential, account).try_authorize(request).map_err(|_| unsigned())
            }
        }
    }
}

fn mismatch() -> StoreError {
    invalid(
        "The source's auth is of another cloud than its prefix. Set accessKeyID and secretAccessKey for s3, s3a, aws, minio, oss, \
         cos, obs, gs and gcs; serviceAccount for gs and gcs; accountName with accountKey or sasToken for azure.",
    )
}

fn header(text: &str) -> Result<HeaderValue, StoreError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        StoreError::new(StoreErrorKind::Malformed, "The cloud gave out a token that no request can hold.")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn unsigned() -> StoreError {
    invalid("The request cannot be signed with the credentials of the source's auth. Correct them.")
}

/// Tokens are fetched once; who looks pauses and looks again.
fn no_retries() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::from_secs(60) }
}

fn service_account(key: &str, http: &Http) -> Result<GcpCredentialProvider, StoreError> {
    let builder = GoogleCloudStorageBuilder::new().with_bucket_name(NO_BUCKET).with_service_account_key(key);
    let store = builder.with_retry(no_retries()).with_http_connector(http.clone()).build();
    let store = store.map_err(|_| {
        invalid("serviceAccount in the Secret of the source's auth is not the JSON key of a Google service account. Correct it.")
    })?;
    Ok(store.credentials().clone())
}

fn azure_login(login: &AzureLogin) -> Result<Option<AzureCredentialProvider>, StoreError> {
    let credential = match login {
        AzureLogin::Anonymous => return Ok(None),
        AzureLogin::Key(key) => AzureAccessKey::try_new(key.expose_secret()).map(AzureCredential::AccessKey).map_err(|_| {
            invalid("accountKey in the Secret of the source's auth is not in base64. Copy it from the storage account as it is.")
        })?,
        AzureLogin::Sas(token) => split_sas(token.expose_secret()).map(AzureCredential::SASToken).map_err(|_| {
            invalid("sasToken in the Secret of the source's auth is no list of name=value with & between them. Correct it.")
        })?,
    };
    Ok(Some(Arc::new(StaticCredentialProvider::new(credential))))
}

fn workload_identity(
    identity: &WorkloadIdentity,
    access: &Access,
    scheme: Scheme,
    http: &Http,
) -> Result<Signer, StoreError> {
    match identity {
        // Other clouds speak the API of S3, and would be shown a token of AWS.
        WorkloadIdentity::Aws { role_arn, token_file, sts_endpoint } if scheme == Scheme::S3 => {
            let region = access.signing_region(scheme)?.to_owned();
            let sts = sts_endpoint.clone().unwrap_or_else(|| token_service(&region));
            let store = AmazonS3Builder::new()
                .with_bucket_name(NO_BUCKET)
                .with_region(&region)
                .with_config(AmazonS3ConfigKey::RoleArn, role_arn)
                .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, path(token_file))
                .with_config(AmazonS3ConfigKey::RoleSessionName, "milvus-refresh-operator")
                .with_config(AmazonS3ConfigKey::StsEndpoint, sts)
                .with_retry(no_retries())
                .with_http_connector(http.clone());
            let store = store.build().map_err(|_| unsigned())?;
            Ok(Signer::Aws { credentials: store.credentials().clone(), region })
        }
        WorkloadIdentity::Azure { account, client_id, tenant_id, token_file, authority_host }
            if scheme == Scheme::Azure =>
        {
            let mut store = MicrosoftAzureBuilder::new()
                .with_container_name(NO_BUCKET)
                .with_account(account)
                .with_credential_type("workload_identity")
                .with_config(AzureConfigKey::ClientId, client_id)
                .with_config(AzureConfigKey::AuthorityId, tenant_id)
                .with_config(AzureConfigKey::FederatedTokenFile, path(token_file));
            if let Some(host) = authority_host {
                store = store.with_config(AzureConfigKey::AuthorityHost, host);
            }
            let store = store.with_retry(no_retries()).with_http_connector(http.clone()).build();
            let store = store.map_err(|_| unsigned())?;
            Ok(Signer::Azure { account: account.clone(), credentials: Some(store.credentials().clone()) })
        }
        WorkloadIdentity::Aws { .. } | WorkloadIdentity::Azure { .. } => Err(mismatch()),
    }
}

/// Where AWS gives out tokens of a role.
fn token_service(region: &str) -> String {
    // China is a partition of its own.
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://sts.{region}.{domain}")
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A credential, from the cache or from the cloud.
async fn token<T>(from: &Arc<dyn CredentialProvider<Credential = T>>) -> Result<Arc<T>, StoreError> {
    from.get_credential().await.map_err(|error| match failure_of(&error) {
        Some(failure) => {
            StoreError::new(kind(failure), format!("The cloud's token service cannot be asked: {failure}."))
        }
        None => StoreError::new(
            StoreErrorKind::Denied,
            "The cloud gives the operator no token for its workload identity. Check that the identity trusts the operator's service \
             account, and that its token is mounted.",
        ),
    })
}

/// Our own error below one of the library.
pub(super) fn failure_of(error: &object_store::Error) -> Option<&Failure> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(failure) = current.downcast_ref() {
            return Some(failure);
        }
        cause = current.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_of_aws_has_its_own_token_service() {
        for (region, expected) in [
            ("eu-west-1", "https://sts.eu-west-1.amazonaws.com"),
            ("us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"),
        ] {
            assert_eq!(token_service(region), expected);
        }
    }
}
