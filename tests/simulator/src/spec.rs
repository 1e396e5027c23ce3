//! The rules for an external source and its spec, and what Milvus shows of a spec.

use serde_json::{Map, Value};

use super::refusal::Refusal;

const FORMATS: [&str; 5] = ["parquet", "lance-table", "vortex", "iceberg-table", "milvus-table"];
const SCHEMES: [&str; 10] = ["s3", "s3a", "aws", "minio", "oss", "cos", "obs", "gs", "gcs", "azure"];
const PROVIDERS: [&str; 7] = ["aws", "gcp", "aliyun", "tencent", "huawei", "azure", "minio"];
const SECRETS: [&str; 4] = ["access_key_id", "access_key_value", "ssl_ca_cert", "external_id"];
const SWITCHES: [&str; 4] = ["use_iam", "anonymous", "use_ssl", "use_virtual_host"];
const OTHERS: [&str; 9] = [
    "role_arn",
    "session_name",
    "gcp_target_service_account",
    "iam_endpoint",
    "cloud_provider",
    "region",
    "bucket_name",
    "storage_type",
    "load_frequency",
];

/// What Milvus refuses before a job exists. The Azure broker credentials of newer builds are not known here.
pub(super) fn check(source: &str, spec: &str) -> Result<(), Refusal> {
    let scheme = check_source(source)?;
    let spec: Value = serde_json::from_str(spec)
        .map_err(|error| Refusal::invalid(format!("failed to parse external spec: {error}")))?;
    let Value::Object(spec) = spec else {
        return Err(Refusal::invalid("failed to parse external spec: not a JSON object"));
    };
    let format = match spec.get("format") {
        None => "parquet",
        Some(Value::String(format)) if FORMATS.contains(&format.as_str()) => format,
        Some(other) => return Err(Refusal::invalid(format!("unsupported external spec format {other}"))),
    };
    if format == "milvus-table" && !source.ends_with(".json") {
        return Err(Refusal::invalid("milvus-table external source must be a snapshot metadata JSON file"));
    }
    check_columns(spec.get("columns"))?;
    check_snapshot(spec.get("snapshot_id"))?;
    check_extfs(scheme, &extfs(&spec)?)
}

/// Gives the scheme.
fn check_source(source: &str) -> Result<&str, Refusal> {
    let Some((scheme, rest)) = source.split_once("://") else {
        return Err(Refusal::invalid("external source must have a scheme"));
    };
    if !SCHEMES.contains(&scheme) {
        return Err(Refusal::invalid(format!("external source scheme {scheme:?} is not supported")));
    }
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return Err(Refusal::invalid("external source must not contain user info"));
    }
    if host.is_empty() {
        return Err(Refusal::invalid("external source must have a host or bucket"));
    }
    Ok(scheme)
}

fn check_columns(columns: Option<&Value>) -> Result<(), Refusal> {
    match columns {
        None => Ok(()),
        Some(Value::Array(columns)) if columns.iter().all(Value::is_string) => Ok(()),
        Some(_) => Err(Refusal::invalid("external spec columns must be an array of strings")),
    }
}

fn check_snapshot(snapshot: Option<&Value>) -> Result<(), Refusal> {
    let good = match snapshot {
        None => true,
        Some(Value::Number(number)) => number.is_i64() || number.is_u64(),
        Some(Value::String(text)) => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()),
        Some(_) => false,
    };
    if good { Ok(()) } else { Err(Refusal::invalid("external spec snapshot_id must be an integer")) }
}

/// The file system settings: known keys, all values text.
fn extfs(spec: &Map<String, Value>) -> Result<Vec<(&str, &str)>, Refusal> {
    let settings = match spec.get("extfs") {
        None => return Ok(Vec::new()),
        Some(Value::Object(settings)) => settings,
        Some(_) => return Err(Refusal::invalid("external spec extfs must be an object")),
    };
    let mut known = Vec::with_capacity(settings.len());
    for (key, value) in settings {
        if ![&SECRETS[..], &SWITCHES[..], &OTHERS[..]].iter().any(|keys| keys.contains(&key.as_str())) {
            return Err(Refusal::invalid(format!("unknown external spec extfs key {key:?}")));
        }
        let Some(text) = value.as_str() else {
            return Err(Refusal::invalid(format!("external spec extfs value of {key:?} must be a string")));
        };
        if SWITCHES.contains(&key.as_str()) && !["true", "false"].contains(&text) {
            return Err(Refusal::invalid(format!("external spec extfs {key} must be \"true\" or \"false\"")));
        }
        known.push((key.as_str(), text));
    }
    Ok(known)
}

fn check_extfs(scheme: &str, settings: &[(&str, &str)]) -> Result<(), Refusal> {
    let value = |key: &str| settings.iter().find(|(known, _)| *known == key).map_or("", |(_, value)| *value);
    if value("access_key_id").is_empty() != value("access_key_value").is_empty() {
        return Err(Refusal::invalid("access_key_id and access_key_value must both be set"));
    }
    let modes = [
        !value("access_key_id").is_empty(),
        !value("role_arn").is_empty(),
        value("use_iam") == "true",
        !value("gcp_target_service_account").is_empty(),
        value("anonymous") == "true",
    ];
    let chosen = modes.iter().filter(|mode| **mode).count();
    if chosen != 1 {
        return Err(Refusal::invalid(format!("external spec needs exactly one credential mode, got {chosen}")));
    }
    let provider = value("cloud_provider");
    if !(PROVIDERS.contains(&provider) || provider.is_empty() && scheme == "minio") {
        return Err(Refusal::invalid(format!("external spec extfs cloud_provider {provider:?} is not supported")));
    }
    if ["s3", "s3a", "aws"].contains(&scheme) && value("region").is_empty() {
        return Err(Refusal::invalid(format!("external spec extfs region is required for {scheme}")));
    }
    Ok(())
}

/// What jobs and descriptions show: secrets starred (empty ones not), `snapshot_id` as text.
pub(super) fn redact(spec: &str) -> String {
    if spec.is_empty() {
        return String::new();
    }
    let Ok(Value::Object(mut spec)) = serde_json::from_str(spec) else {
        return "<invalid spec>".to_owned();
    };
    if let Some(snapshot) = spec.get_mut("snapshot_id").filter(|snapshot| snapshot.is_number()) {
        *snapshot = Value::String(snapshot.to_string());
    }
    if let Some(Value::Object(settings)) = spec.get_mut("extfs") {
        for (key, value) in settings {
            if SECRETS.contains(&key.as_str()) && value.as_str() != Some("") {
                *value = Value::String("***".to_owned());
            }
        }
    }
    Value::Object(spec).to_string()
}
