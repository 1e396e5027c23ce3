//! A connection.

use serde_json::{Value, json};

use super::{Fields, manifest};
use crate::{
    cli::{Connect, Entry},
    problem::Problem,
};

/// The manifest that the flags mean.
///
/// # Errors
/// An entry has a field that there is not, or lacks one.
pub fn connection(flags: &Connect, namespace: Option<&str>) -> Result<Value, Problem> {
    let mut reference = Fields::default();
    reference.set_some("name", flags.milvus.clone()).set_if("allowPlaintextLogin", flags.allow_plaintext_login);
    let mut tls = Fields::default();
    let ca = flags.ca_secret.as_ref().map(|ca| ("Secret", ca));
    let ca = ca.or(flags.ca_config_map.as_ref().map(|ca| ("ConfigMap", ca)));
    tls.set_some("caRef", ca.map(|(kind, ca)| ca_reference(kind, ca)))
        .set_some("clientCertificateRef", flags.client_certificate_secret.as_ref().map(|name| json!({ "name": name })))
        .set_some("serverName", flags.server_name.clone());
    let allowed = Some(flags.allow_source.clone()).filter(|sources| !sources.is_empty());
    let sources: Vec<Value> = flags.watch_source.iter().map(source).collect::<Result<_, _>>()?;
    let catalogs: Vec<Value> = flags.watch_catalog.iter().map(catalog).collect::<Result<_, _>>()?;
    let mut spec = Fields::default();
    spec.set_some("address", flags.address.clone())
        .set_filled("milvusRef", reference)
        .set_some("auth", flags.login_secret.as_deref().map(secret))
        .set_filled("tls", tls)
        .set_some("allowedSources", allowed)
        .set_some("sources", Some(sources).filter(|sources| !sources.is_empty()))
        .set_some("catalogs", Some(catalogs).filter(|catalogs| !catalogs.is_empty()))
        .set_some("maxConcurrentRefreshes", flags.max_concurrent)
        .set_seconds("requestTimeoutSeconds", flags.call_timeout)
        .set_if("allowVerifyQueries", flags.allow_verify_queries);
    Ok(manifest("MilvusConnection", &flags.name, namespace, spec))
}

fn ca_reference(kind: &str, ca: &str) -> Value {
    let mut reference = Fields::default();
    let (name, key) = ca.split_once('/').map_or((ca, None), |(name, key)| (name, Some(key)));
    reference.set("kind", kind).set("name", name).set_some("key", key);
    reference.0.into()
}

fn secret(name: &str) -> Value {
    json!({ "secretRef": { "name": name } })
}

fn source(entry: &Entry) -> Result<Value, Problem> {
    let [prefix, endpoint, region, login] =
        entry.fields("--watch-source", ["prefix", "endpoint", "region", "secret"], 1)?;
    let auth = login.as_deref().map_or_else(|| json!({ "anonymous": {} }), secret);
    let mut source = Fields::default();
    source.set_some("prefix", prefix).set_some("endpoint", endpoint).set_some("region", region).set("auth", auth);
    Ok(source.0.into())
}

fn catalog(entry: &Entry) -> Result<Value, Problem> {
    let [name, uri, warehouse, login] = entry.fields("--watch-catalog", ["name", "uri", "warehouse", "secret"], 2)?;
    let mut catalog = Fields::default();
    catalog
        .set_some("name", name)
        .set_some("uri", uri)
        .set_some("warehouse", warehouse)
        .set_some("auth", login.as_deref().map(secret));
    Ok(catalog.0.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

    use clap::Parser as _;

    use super::*;
    use crate::{
        cli::{Cli, Command},
        exit::Exit,
    };

    fn made(args: &[&str]) -> Result<Value, Problem> {
        let cli = Cli::try_parse_from([&["kubectl-ecrefresh", "connect"], args].concat()).unwrap();
        let Some(Command::Connect(flags)) = cli.command else { panic!() };
        connection(&flags, None).map(|mut made| made["spec"].take())
    }

    #[test]
    fn every_flag_has_its_field() {
        assert_eq!(made(&["--address=http://m:1"]), Ok(json!({ "address": "http://m:1" })));
        let all = made(&[
            "--milvus=main",
            "--allow-plaintext-login",
            "--login-secret=login",
            "--ca-config-map=ca/root.pem",
            "--client-certificate-secret=client",
            "--server-name=milvus",
            "--allow-source=s3://a",
            "--allow-source=s3://b",
            "--watch-source=prefix=s3://a,endpoint=http://minio:9000,region=eu,secret=reader",
            "--watch-source=prefix=s3://b",
            "--watch-catalog=name=lake,uri=https://c/api,warehouse=w,secret=catalog",
            "--max-concurrent=4",
            "--call-timeout=5s",
            "--allow-verify-queries",
        ]);
        let expected = json!({
            "milvusRef": { "name": "main", "allowPlaintextLogin": true }, "auth": { "secretRef": { "name": "login" } },
            "tls": { "caRef": { "kind": "ConfigMap", "name": "ca", "key": "root.pem" },
                "clientCertificateRef": { "name": "client" }, "serverName": "milvus" },
            "allowedSources": ["s3://a", "s3://b"],
            "sources": [
                { "prefix": "s3://a", "endpoint": "http://minio:9000", "region": "eu", "auth": { "secretRef": { "name": "reader" } } },
                { "prefix": "s3://b", "auth": { "anonymous": {} } },
            ],
            "catalogs": [{ "name": "lake", "uri": "https://c/api", "warehouse": "w", "auth": { "secretRef": { "name": "catalog" } } }],
            "maxConcurrentRefreshes": 4, "requestTimeoutSeconds": 5, "allowVerifyQueries": true,
        });
        assert_eq!(all, Ok(expected));
    }

    #[test]
    fn an_entry_that_makes_no_sense_is_told() {
        for (wrong, says) in [
            ("--watch-source=region=eu", "--watch-source needs prefix="),
            ("--watch-source=prefix=s3://a,bucket=b", "--watch-source has no field bucket"),
            ("--watch-catalog=name=lake", "--watch-catalog needs uri="),
        ] {
            let problem = made(&["--address=http://m:1", wrong]).unwrap_err();
            assert!(problem.exit == Exit::Usage && problem.to_string().starts_with(says), "{problem}");
        }
    }
}
