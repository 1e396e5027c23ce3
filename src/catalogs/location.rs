//! The URI of a metadata file as Milvus takes it.

use super::{access::invalid, port::CatalogError};
use crate::{stores::Place, web::host_of};

/// Schemes of Azure's file systems, whose URIs have the container before an `@` and the account after it.
const AZURE: [&str; 4] = ["abfs", "abfss", "wasb", "wasbs"];

/// The source that makes Milvus read the metadata file at `location`: `scheme://bucket/key`, where Milvus derives the endpoint
/// from its spec, else, with the store's own `endpoint` (`https://host:port` or `host:port`), `scheme://host:port/bucket/key`.
///
/// Azure's `abfss://container@account.dfs.core.windows.net/key` becomes `azure://core.windows.net/container/key`: the account is
/// in the spec.
///
/// # Errors
/// When Milvus takes no such source, or could take it for another place.
pub fn milvus_source(location: &str, endpoint: Option<&str>) -> Result<String, CatalogError> {
    let unusable = |problem: &str| {
        invalid(format!(
            "The catalog names a metadata file that Milvus cannot read: its URI {problem}. Move the table to a place that Milvus \
             can read."
        ))
    };
    let (scheme, rest) = location.split_once("://").ok_or_else(|| unusable("has no scheme"))?;
    let (bucket, key) = rest.split_once('/').ok_or_else(|| unusable("has no path"))?;
    let (source, bucket) = match (azure(scheme, bucket), endpoint) {
        (Some((cloud, container)), _) => (format!("azure://{cloud}/{container}/{key}"), container),
        (None, Some(endpoint)) => (format!("{scheme}://{}/{bucket}/{key}", host_of(endpoint)), bucket),
        (None, None) => (location.to_owned(), bucket),
    };
    let place = Place::parse(&source, endpoint, None).map_err(|problem| unusable(&problem))?;
    if place.bucket != bucket || place.key.is_empty() {
        return Err(unusable("begins with what Milvus would take for an endpoint"));
    }
    Ok(source)
}

/// The cloud and the container of a URI of Azure's file systems.
fn azure<'a>(scheme: &str, authority: &'a str) -> Option<(&'a str, &'a str)> {
    let (container, host) = authority.split_once('@').filter(|_| AZURE.contains(&scheme))?;
    let (_account, service) = host.split_once('.')?;
    let cloud = service.strip_prefix("dfs.").or_else(|| service.strip_prefix("blob."))?;
    Some((cloud, container))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{super::port::CatalogErrorKind, *};

    #[test]
    fn a_metadata_file_is_named_as_milvus_takes_it() {
        let own = Some("https://store.example:9000");
        for (location, endpoint, source) in [
            ("s3://lake/t/m.json", None, "s3://lake/t/m.json"),
            ("s3a://lake/t/m.json", None, "s3a://lake/t/m.json"),
            ("gs://lake/t/m.json", None, "gs://lake/t/m.json"),
            ("s3://lake/t/m.json", own, "s3://store.example:9000/lake/t/m.json"),
            ("s3://lake/t/m.json", Some("store:9000"), "s3://store:9000/lake/t/m.json"),
            ("abfss://lake@shop.dfs.core.windows.net/t/m.json", None, "azure://core.windows.net/lake/t/m.json"),
            ("wasbs://lake@shop.blob.core.chinacloudapi.cn/m", own, "azure://core.chinacloudapi.cn/lake/m"),
        ] {
            assert_eq!(milvus_source(location, endpoint).as_deref(), Ok(source), "{location}");
        }
    }

    #[test]
    fn what_milvus_does_not_take_is_refused_and_not_repeated() {
        for location in [
            "/t/hunter2",
            "file:///t/hunter2",
            "hdfs://node:8020/hunter2",
            "https://store/hunter2",
            "s3://lake",
            "s3://lake/",
            "s3://key:hunter2@lake/m",
            "s3://lake:9000/b/hunter2",
            "s3://lake/a b/hunter2",
            "s3://lake/a%20b/hunter2",
            "s3://lake//hunter2",
            "s3://lake/../hunter2",
            "abfss://lake/hunter2",
            "abfss://lake@127.0.0.1/hunter2",
            "s3://lake@shop.dfs.core.windows.net/hunter2",
        ] {
            for endpoint in [None, Some("http://store:9000")] {
                let error = milvus_source(location, endpoint).unwrap_err();
                assert!(error.kind == CatalogErrorKind::Invalid && !error.message.contains("hunter2"), "{error}");
            }
        }
        for bucket in ["s3://s3.eu-west-1.amazonaws.com/b/m", "minio://lake/b/m"] {
            assert!(
                milvus_source(bucket, None).unwrap_err().message.contains("endpoint"),
                "Milvus takes b for the bucket"
            );
            assert!(milvus_source(bucket, Some("store:9000")).is_ok());
        }
    }
}
