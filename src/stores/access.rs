//! How a store is reached: where, as whom, and whom to trust.

use std::{net::IpAddr, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    place::{Place, Scheme, domain},
    port::{StoreError, StoreErrorKind},
};
use crate::web::{self, host_of};

const EXAMPLE: &str = "Write the endpoint as https://host or https://host:port.";

/// Regions of all clouds are shorter.
const MAX_REGION: usize = 64;

/// How to reach a store. Nothing else is used: no environment, no file of a cloud's command line, no instance metadata.
#[derive(Clone, Debug)]
pub struct Access {
    /// `https://host[:port]` or `http://host[:port]`, with a path where the store has one; `None` for the endpoint of the place.
    pub endpoint: Option<String>,
    /// Of the bucket, for signatures; `None` for `us-east-1`, which stores of one's own mostly take, and for Google's `auto`.
    pub region: Option<String>,
    /// As whom.
    pub credentials: Credentials,
    /// The authorities that the store's certificate must come from, PEM; `None` for those of the system.
    pub ca: Option<String>,
}

/// As whom a store is read.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Nobody in particular: the bucket is public.
    Anonymous,
    /// An access key, for every scheme that is listed by the S3 API.
    Keys {
        /// `accessKeyID`
        id: SecretString,
        /// `secretAccessKey`
        secret: SecretString,
        /// `sessionToken`, for keys that expire.
        session_token: Option<SecretString>,
    },
    /// The JSON key of a Google service account.
    ServiceAccount(SecretString),
    /// An Azure storage account.
    Azure {
        /// `accountName`
        account: String,
        /// How it lets us in.
        login: AzureLogin,
    },
    /// The operator's own identity in the cloud that it runs in.
    WorkloadIdentity(WorkloadIdentity),
}

/// How an Azure storage account lets us in.
#[derive(Clone, Debug)]
pub enum AzureLogin {
    /// `accountKey`
    Key(SecretString),
    /// `sasToken`
    Sas(SecretString),
    /// The container is public.
    Anonymous,
}

/// A token of the operator's service account, which a cloud takes for one of its own identities.
#[derive(Clone, Debug)]
pub enum WorkloadIdentity {
    /// A role of AWS.
    Aws {
        /// The role's ARN.
        role_arn: String,
        /// Where Kubernetes keeps the token.
        token_file: PathBuf,
        /// The token service; `None` for that of the region.
        sts_endpoint: Option<String>,
    },
    /// A managed identity of Azure.
    Azure {
        /// The storage account.
        account: String,
        /// The identity's client id.
        client_id: String,
        /// Its tenant.
        tenant_id: String,
        /// Where Kubernetes keeps the token.
        token_file: PathBuf,
        /// The authority; `None` for that of the public cloud.
        authority_host: Option<String>,
    },
}

/// A sentence about settings that cannot be used.
pub(super) fn invalid(message: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, message)
}

impl Access {
    /// The URL of the bucket of `place`, without a slash at its end. Credentials go nowhere else.
    ///
    /// # Errors
    /// When the place has no endpoint, or another one than this access is for, or when the URL cannot be used.
    pub(super) fn bucket_url(&self, place: &Place) -> Result<String, StoreError> {
        let endpoint = self.endpoint_of(place)?;
        let host = web::check(&endpoint).map_err(|problem| invalid(format!("The endpoint {problem}. {EXAMPLE}")))?;
        let (scheme, rest) = endpoint.split_once("://").unwrap_or_default();
        // Their clouds do not take the bucket in the path.
        let by_host = matches!(place.scheme, Scheme::Oss | Scheme::Cos | Scheme::Obs);
        let by_host = by_host && host.contains('.') && host.parse::<IpAddr>().is_err();
        let url = match by_host {
            true => format!("{scheme}://{}.{rest}", place.bucket),
            false => format!("{scheme}://{rest}/{}", place.bucket),
        };
        // As the library that signs reads it: it would panic.
        if Url::parse(&url).is_err() {
            return Err(invalid(format!("The endpoint or the bucket cannot be part of a URL. {EXAMPLE}")));
        }
        Ok(url)
    }

    fn endpoint_of(&self, place: &Place) -> Result<String, StoreError> {
        match (&self.endpoint, &place.endpoint) {
            (Some(own), Some(named)) if domain(place.scheme, host_of(own)) != named => Err(invalid(format!(
                "The source is at {named}, but the credentials are for {}. Use the endpoint of the connection's source.",
                host_of(own)
            ))),
            (Some(own), _) => Ok(own.trim_end_matches('/').to_owned()),
            // Milvus names the cloud, and the account apart from it.
            (None, Some(cloud)) if place.scheme == Scheme::Azure && cloud.starts_with("core.") => {
                let account = self.credentials.account().ok_or_else(|| {
                    invalid(
                        "There is no accountName for the Azure container. Set it in the Secret of the source's auth.",
                    )
                })?;
                Ok(format!("https://{account}.blob.{cloud}"))
            }
            (None, Some(named)) => Ok(format!("https://{named}")),
            (None, None) => Err(invalid(
                "The source names no endpoint, and none can be derived. Set region or endpoint in the connection's source.",
            )),
        }
    }

    /// The region for signatures.
    pub(super) fn signing_region(&self, scheme: Scheme) -> Result<&str, StoreError> {
        let region = self.region.as_deref().unwrap_or(if scheme == Scheme::Google { "auto" } else { "us-east-1" });
        if is_region(region) {
            return Ok(region);
        }
        Err(invalid(
            "The region has characters other than letters, digits, - and _. Correct it in the connection's source.",
        ))
    }
}

/// Whether `text` can be a region.
pub(super) fn is_region(text: &str) -> bool {
    let all_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    !text.is_empty() && text.len() <= MAX_REGION && all_plain
}

impl Credentials {
    /// The Azure storage account.
    pub(super) fn account(&self) -> Option<&str> {
        match self {
            Self::Azure { account, .. } | Self::WorkloadIdentity(WorkloadIdentity::Azure { account, .. }) => {
                Some(account)
            }
            Self::Anonymous | Self::Keys { .. } | Self::ServiceAccount(_) | Self::WorkloadIdentity(_) => None,
        }
    }

    /// Refuses what cannot be sent in a header or a URL; the library that signs would panic.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let usable = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        let secret = |name: &str, secret: &SecretString| match usable(secret.expose_secret()) {
            true => Ok(()),
            false => Err(invalid(format!(
                "{name} in the Secret of the source's auth is empty or has white space or other characters that no credential has. \
                 Correct it."
            ))),
        };
        match self {
            Self::Anonymous | Self::ServiceAccount(_) | Self::WorkloadIdentity(WorkloadIdentity::Aws { .. }) => Ok(()),
            Self::Keys { id, secret: key, session_token } => {
                secret("accessKeyID", id)?;
                secret("secretAccessKey", key)?;
                session_token.as_ref().map_or(Ok(()), |token| secret("sessionToken", token))
            }
            Self::Azure { account, login } => {
                account_name(account)?;
                match login {
                    AzureLogin::Key(key) => secret("accountKey", key),
                    AzureLogin::Sas(token) => secret("sasToken", token),
                    AzureLogin::Anonymous => Ok(()),
                }
            }
            Self::WorkloadIdentity(WorkloadIdentity::Azure { account, .. }) => account_name(account),
        }
    }
}

/// It becomes a part of a host.
fn account_name(account: &str) -> Result<(), StoreError> {
    let plain = account.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if plain && !account.is_empty() && account.len() <= 63 {
        return Ok(());
    }
    Err(invalid("accountName is not the name of an Azure storage account: lower-case letters and digits. Correct it."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn access(endpoint: Option<&str>, credentials: Credentials) -> Access {
        Access { endpoint: endpoint.map(str::to_owned), region: None, credentials, ca: None }
    }

    fn url(endpoint: Option<&str>, uri: &str) -> Result<String, StoreError> {
        let account = Credentials::Azure { account: "shop".to_owned(), login: AzureLogin::Anonymous };
        access(endpoint, account).bucket_url(&Place::parse(uri, endpoint, Some("eu-west-1")).unwrap())
    }

    #[test]
    fn a_bucket_is_in_the_path_or_in_the_host_as_its_cloud_has_it() {
        for (endpoint, uri, expected) in [
            (None, "s3://b.c/k", "https://s3.eu-west-1.amazonaws.com/b.c"),
            (None, "oss://b/k", "https://b.oss-eu-west-1.aliyuncs.com"),
            (None, "cos://b/k", "https://b.cos.eu-west-1.myqcloud.com"),
            (None, "obs://b/k", "https://b.obs.eu-west-1.myhuaweicloud.com"),
            (None, "gs://b/k", "https://storage.googleapis.com/b"),
            (None, "azure://b/k", "https://shop.blob.core.windows.net/b"),
            (Some("http://127.0.0.1:9000/"), "oss://b/k", "http://127.0.0.1:9000/b"),
            (Some("https://oss-x-internal.aliyuncs.com"), "oss://b/k", "https://b.oss-x-internal.aliyuncs.com"),
            (
                Some("https://shop.blob.core.windows.net"),
                "azure://core.windows.net/b/k",
                "https://shop.blob.core.windows.net/b",
            ),
            (Some("http://127.0.0.1:10000/shop"), "azure://b/k", "http://127.0.0.1:10000/shop/b"),
        ] {
            assert_eq!(url(endpoint, uri).as_deref(), Ok(expected), "{uri}");
        }
    }

    #[test]
    fn credentials_never_go_to_another_endpoint_than_their_own() {
        let error = url(Some("https://store.example"), "s3://evil.example:443/b/k").unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Invalid, "{error}");
        assert!(error.message.contains("evil.example:443") && error.message.contains("store.example"), "{error}");
        let nowhere = Place::parse("s3://b/k", None, None).unwrap();
        assert!(access(None, Credentials::Anonymous).bucket_url(&nowhere).is_err());
    }

    #[test]
    fn an_endpoint_that_cannot_be_used_is_refused_and_not_repeated() {
        for endpoint in
            ["store", "ftp://store", "https://", "https://key:hunter2@store", "https://store:0", "https://s/../b"]
        {
            let error = url(Some(endpoint), "s3://b/k").unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Invalid, "{endpoint}");
            assert!(!error.message.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn credentials_that_no_header_can_hold_are_refused_and_not_repeated() {
        let keys = |id: &str, secret: &str, token: Option<&str>| Credentials::Keys {
            id: id.into(),
            secret: secret.into(),
            session_token: token.map(Into::into),
        };
        assert_eq!(keys("id", "secret", Some("token")).check(), Ok(()));
        for wrong in [
            keys("", "s", None),
            keys("id\n", "s", None),
            keys("id", "hunter2\n", None),
            keys("id", "s", Some("hunter2 é")),
        ] {
            let error = wrong.check().unwrap_err();
            assert!(!error.message.contains("hunter2"), "{error}");
        }
        let azure = |account: &str| Credentials::Azure { account: account.to_owned(), login: AzureLogin::Anonymous };
        assert_eq!(azure("shop1").check(), Ok(()));
        for account in ["", "evil.example/", "Shop"] {
            assert!(azure(account).check().is_err(), "{account}");
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let keys =
            Credentials::Keys { id: "hunter1".into(), secret: "hunter2".into(), session_token: Some("hunter3".into()) };
        let azure = Credentials::Azure { account: "shop".to_owned(), login: AzureLogin::Sas("hunter4".into()) };
        let text = format!("{:?} {:?} {:?}", access(None, keys), azure, Credentials::ServiceAccount("hunter5".into()));
        assert!(!text.contains("hunter"), "{text}");
    }
}
