//! Where a source is.
//!
//! Milvus takes `scheme://bucket/key`, where it derives the endpoint from provider and region, and `scheme://endpoint/bucket/key`.
//! Both are one place here. As with `allowedSources`, nothing is normalised: what has a second reading is refused.

use crate::web::host_of;

/// Longest URI, in bytes.
const MAX_URI: usize = 2048;

/// Domains of the clouds: a host below one of them is an endpoint, to Milvus as well, whatever its first label.
const CLOUDS: [&str; 10] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "googleapis.com",
    "aliyuncs.com",
    "myqcloud.com",
    "myhuaweicloud.com",
    "core.windows.net",
    "core.chinacloudapi.cn",
    "core.usgovcloudapi.net",
    "core.cloudapi.de",
];

/// The schemes that Milvus reads from; those that mean the same are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `s3`, `s3a`, `aws`: AWS, or what speaks its API.
    S3,
    /// `minio`: always with an endpoint.
    Minio,
    /// `oss`: Alibaba Cloud, by the S3 API.
    Oss,
    /// `cos`: Tencent Cloud, by the S3 API.
    Cos,
    /// `obs`: Huawei Cloud, by the S3 API.
    Obs,
    /// `gs`, `gcs`: Google, by its XML API.
    Google,
    /// `azure`: Blob Storage; a bucket is a container.
    Azure,
}

impl Scheme {
    fn parse(scheme: &str) -> Option<Self> {
        Some(match scheme {
            "s3" | "s3a" | "aws" => Self::S3,
            "minio" => Self::Minio,
            "oss" => Self::Oss,
            "cos" => Self::Cos,
            "obs" => Self::Obs,
            "gs" | "gcs" => Self::Google,
            "azure" => Self::Azure,
            _ => return None,
        })
    }

    /// Whether it is listed and signed as AWS does it.
    pub(super) fn is_s3(self) -> bool {
        !matches!(self, Self::Google | Self::Azure)
    }

    /// The endpoint that Milvus derives; `None` where there is none or the region is missing.
    fn endpoint(self, region: Option<&str>) -> Option<String> {
        match (self, region) {
            (Self::Google, _) => Some("storage.googleapis.com".to_owned()),
            (Self::Azure, region) => Some(azure(region.unwrap_or_default()).to_owned()),
            (Self::Minio, _) | (_, None) => None,
            (Self::S3, Some(region)) if region.starts_with("cn-") => Some(format!("s3.{region}.amazonaws.com.cn")),
            (Self::S3, Some(region)) => Some(format!("s3.{region}.amazonaws.com")),
            (Self::Oss, Some(region)) => Some(format!("oss-{region}.aliyuncs.com")),
            (Self::Cos, Some(region)) => Some(format!("cos.{region}.myqcloud.com")),
            (Self::Obs, Some(region)) => Some(format!("obs.{region}.myhuaweicloud.com")),
        }
    }
}

/// The domain of an Azure cloud by the region's prefix, as Milvus has it.
fn azure(region: &str) -> &'static str {
    match region {
        region if region.starts_with("china") => "core.chinacloudapi.cn",
        region if region.starts_with("usgov") || region.starts_with("usdod") => "core.usgovcloudapi.net",
        region if region.starts_with("germany") => "core.cloudapi.de",
        _ => "core.windows.net",
    }
}

/// Where a source is: compared as (endpoint, bucket, key), so that `s3://bucket/x` and Milvus' `s3://endpoint/bucket/x` meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// See [`Scheme`].
    pub scheme: Scheme,
    /// `host` or `host:port`; `None` where nothing tells it.
    pub endpoint: Option<String>,
    /// The bucket or container.
    pub bucket: String,
    /// Below the bucket, without a slash at the beginning or the end; empty for the whole bucket.
    pub key: String,
}

impl Place {
    /// The place of `uri`. Where it names no endpoint, that is `endpoint` (`https://host:port` or `host:port`), or else the one of
    /// the cloud in `region`.
    ///
    /// A URI begins with an endpoint where its scheme is `minio`, or where what follows the scheme has a port, is `endpoint`
    /// itself or belongs to a cloud.
    ///
    /// # Errors
    /// What is wrong with the URI, to go on after its name. It is not repeated, since it may hold a login.
    pub fn parse(uri: &str, endpoint: Option<&str>, region: Option<&str>) -> Result<Self, String> {
        let (scheme, authority, path) = split(uri)?;
        let host = endpoint.map(|endpoint| domain(scheme, host_of(endpoint)));
        let named = domain(scheme, authority);
        let names_endpoint = scheme == Scheme::Minio
            || authority.contains(':')
            || host == Some(named)
            || CLOUDS.iter().any(|cloud| authority == *cloud || authority.ends_with(&format!(".{cloud}")));
        let (endpoint, bucket, key) = if names_endpoint {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            (Some(named.to_owned()), bucket, key)
        } else {
            (host.map(str::to_owned).or_else(|| scheme.endpoint(region)), authority, path)
        };
        if bucket.is_empty() {
            return Err("has no bucket; write it as s3://bucket/path or s3://endpoint/bucket/path".to_owned());
        }
        if !bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
            return Err("has a bucket with characters other than ASCII letters, digits and -._".to_owned());
        }
        let key = key.strip_suffix('/').unwrap_or(key);
        Ok(Self { scheme, endpoint, bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// Whether this is `prefix` or below it, on whole path segments.
    pub fn is_within(&self, prefix: &Self) -> bool {
        let below = match self.key.strip_prefix(&prefix.key) {
            Some(rest) => prefix.key.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        };
        self.store() == prefix.store() && self.bucket == prefix.bucket && below
    }

    /// Whether its endpoint is the one that its cloud has in `region`.
    pub fn is_at_its_cloud(&self, region: Option<&str>) -> bool {
        self.endpoint.is_some() && self.endpoint == self.scheme.endpoint(region)
    }

    /// What has to be the same for two buckets of one name to be one: how it is spoken to and where it is. Only where nobody
    /// tells the endpoint does the cloud count instead.
    fn store(&self) -> (bool, Option<&str>, Option<Scheme>) {
        let cloud = (!self.scheme.is_s3() || self.endpoint.is_none()).then_some(self.scheme);
        (self.scheme.is_s3(), self.endpoint.as_deref(), cloud)
    }
}

/// The endpoint of an Azure account without the account, which Milvus names apart from it; any other as it is.
pub(super) fn domain(scheme: Scheme, host: &str) -> &str {
    match host.split_once(".blob.") {
        Some((_, cloud)) if scheme == Scheme::Azure && CLOUDS.contains(&cloud) => cloud,
        _ => host,
    }
}

/// A URI as (scheme, authority, path).
fn split(uri: &str) -> Result<(Scheme, &str, &str), String> {
    if uri.len() > MAX_URI {
        return Err("is longer than 2048 bytes".to_owned());
    }
    let (scheme, rest) = uri.split_once("://").ok_or("has no scheme; write it as s3://bucket/path")?;
    let scheme = Scheme::parse(scheme).ok_or(
        "has a scheme that Milvus does not support; use s3, s3a, aws, minio, oss, cos, obs, gs, gcs or azure, in lower case",
    )?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(
            "contains a login before an @; rotate that credential, and put the new one into a Secret".to_owned()
        );
    }
    let host = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:".contains(&b);
    if authority.is_empty() || !authority.bytes().all(host) {
        return Err("has a host or bucket with characters other than lower-case letters, digits and -._".to_owned());
    }
    // What RFC 3986 lets stand in a path without an encoding.
    if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&b)) {
        return Err("has a path with characters other than ASCII letters, digits and /-._~!$&'()*+,;=:@".to_owned());
    }
    let segments = path.strip_suffix('/').unwrap_or(path);
    let dull = |segment: &str| ["", ".", ".."].contains(&segment);
    if dull(authority) || (!path.is_empty() && segments.split('/').any(dull)) {
        return Err("has an empty path segment, or the segment . or ..; write the path without them".to_owned());
    }
    Ok((scheme, authority, path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn place(uri: &str) -> Place {
        Place::parse(uri, None, Some("eu-central-1")).unwrap()
    }

    fn parts(place: &Place) -> (Option<&str>, &str, &str) {
        (place.endpoint.as_deref(), &place.bucket, &place.key)
    }

    #[test]
    fn both_forms_of_a_source_are_one_place() {
        let short = place("s3://shop/products/");
        assert_eq!(parts(&short), (Some("s3.eu-central-1.amazonaws.com"), "shop", "products"));
        assert_eq!(short, place("s3a://s3.eu-central-1.amazonaws.com/shop/products"));
        let own = |uri| Place::parse(uri, Some("https://store.example:9000"), None).unwrap();
        assert_eq!(own("aws://shop/products"), own("s3://store.example:9000/shop/products"));
        assert_eq!(
            parts(&own("minio://shop/a")),
            (Some("shop"), "a", ""),
            "Milvus takes the host of minio for the endpoint"
        );
    }

    #[test]
    fn an_azure_account_is_no_part_of_the_place() {
        let own = |uri| Place::parse(uri, Some("https://account.blob.core.windows.net"), None).unwrap();
        for uri in ["azure://c/k", "azure://core.windows.net/c/k", "azure://account.blob.core.windows.net/c/k"] {
            assert_eq!(parts(&own(uri)), (Some("core.windows.net"), "c", "k"), "{uri}");
        }
        assert_eq!(parts(&own("azure://core.chinacloudapi.cn/c/k")), (Some("core.chinacloudapi.cn"), "c", "k"));
    }

    #[test]
    fn every_cloud_has_its_endpoint() {
        for (uri, endpoint) in [
            ("s3://b/k", Some("s3.eu-central-1.amazonaws.com")),
            ("oss://b/k", Some("oss-eu-central-1.aliyuncs.com")),
            ("cos://b/k", Some("cos.eu-central-1.myqcloud.com")),
            ("obs://b/k", Some("obs.eu-central-1.myhuaweicloud.com")),
            ("gs://b/k", Some("storage.googleapis.com")),
            ("gcs://b/k", Some("storage.googleapis.com")),
            ("azure://b/k", Some("core.windows.net")),
            ("azure://core.chinacloudapi.cn/b/k", Some("core.chinacloudapi.cn")),
            ("minio://localhost:9000/b/k", Some("localhost:9000")),
        ] {
            assert_eq!(parts(&place(uri)), (endpoint, "b", "k"), "{uri}");
        }
        let china = Place::parse("s3://b/k", None, Some("cn-north-1")).unwrap();
        assert_eq!(parts(&china).0, Some("s3.cn-north-1.amazonaws.com.cn"));
        assert_eq!(parts(&Place::parse("s3://b/k", None, None).unwrap()).0, None);
    }

    #[test]
    fn a_place_is_within_another_on_whole_segments_of_one_store() {
        let prefix = place("s3://shop/products");
        for within in ["s3://shop/products", "s3://shop/products/eu/a.parquet", "s3a://shop/products/"] {
            assert!(place(within).is_within(&prefix), "{within}");
        }
        for outside in [
            "s3://shop",
            "s3://shop/product",
            "s3://shop/products-old/a",
            "s3://shop2/products",
            "oss://shop/products",
            "gs://shop/products",
            "s3://s3.eu-west-1.amazonaws.com/shop/products",
        ] {
            assert!(!place(outside).is_within(&prefix), "{outside}");
        }
        assert!(place("s3://shop/a").is_within(&place("s3://shop")));
        let nowhere = |uri| Place::parse(uri, None, None).unwrap();
        assert!(!nowhere("oss://shop/a").is_within(&nowhere("s3://shop/a")));
    }

    #[test]
    fn a_place_is_at_its_cloud_or_elsewhere() {
        let at_its_cloud = |uri, endpoint| {
            let region = Some("eu-central-1");
            Place::parse(uri, endpoint, region).unwrap().is_at_its_cloud(region)
        };
        for uri in
            ["s3://b/k", "s3://s3.eu-central-1.amazonaws.com/b", "gs://b", "azure://c", "azure://core.windows.net/c"]
        {
            assert!(at_its_cloud(uri, None), "{uri}");
        }
        for uri in [
            "s3://evil.example:443/b",
            "s3://evil.amazonaws.com/b",
            "minio://s3.amazonaws.com/b",
            "azure://evil.core.windows.net/c",
        ] {
            assert!(!at_its_cloud(uri, None), "{uri}");
        }
        assert!(!at_its_cloud("s3://b/k", Some("https://evil.example")));
        assert!(!Place::parse("s3://b/k", None, None).unwrap().is_at_its_cloud(None));
    }

    #[test]
    fn what_has_a_second_reading_is_refused() {
        for uri in [
            "shop/products",
            "file:///shop",
            "S3://shop/a",
            "s3://",
            "s3:///a",
            "s3://Shop/a",
            "s3://key:secret@shop/a",
            "s3://shop/a%2Fb",
            "s3://shop/a//b",
            "s3://shop//",
            "s3://shop/./a",
            "s3://shop/../a",
            "s3://../a",
            "s3://shop/a?b",
            "s3://shop/a b",
            "s3://shop/a\nb",
            "minio://localhost:9000",
            "s3://localhost:9000/a@b/k",
        ] {
            assert!(Place::parse(uri, None, None).is_err(), "{uri}");
        }
        let error = Place::parse("s3://key:hunter2@shop/a", None, None).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
