//! Flags of the commands that write manifests.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::duration;
use crate::problem::Problem;

/// What to do with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Fate {
    /// Apply it instead of printing it.
    #[arg(long)]
    pub apply: bool,
    /// Print it without asking the cluster whether it would take it.
    #[arg(long, conflicts_with = "apply")]
    pub offline: bool,
}

/// A refresh to write.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Create {
    /// The name of the refresh.
    pub name: String,
    /// What to do with the manifest.
    #[command(flatten)]
    pub fate: Fate,
    /// The external collection. Default: the name, with _ in the place of -.
    #[arg(long)]
    pub collection: Option<String>,
    /// The Milvus database.
    #[arg(long)]
    pub database: Option<String>,
    /// The MilvusConnection. Default: the one called default.
    #[arg(long)]
    pub connection: Option<String>,
    /// Another source than the collection's own, for example s3://bucket/path; with one of the two specs.
    #[arg(long, value_name = "URI")]
    pub source: Option<String>,
    /// A file with the external spec of that source, without credentials.
    #[arg(long, value_name = "FILE", conflicts_with = "spec_secret")]
    pub spec_file: Option<PathBuf>,
    /// The Secret and its key that hold the external spec.
    #[arg(long, value_name = "SECRET/KEY", value_parser = pair)]
    pub spec_secret: Option<(String, String)>,
    /// A token; another one later starts a run.
    #[arg(long, value_name = "TOKEN")]
    pub trigger: Option<String>,
    /// Do not run for the creation.
    #[arg(long)]
    pub no_run_on_creation: bool,
    /// Hold all starts.
    #[arg(long)]
    pub suspend: bool,
    /// When to run, for example "15 2 * * *" or @daily.
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// The schedule's time zone, for example Europe/Berlin. Default: UTC.
    #[arg(long, value_name = "ZONE", requires = "schedule")]
    pub time_zone: Option<String>,
    /// Delay scheduled runs by a fixed part of this.
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "schedule")]
    pub jitter: Option<Duration>,
    /// Run when the files at the source change.
    #[arg(long, conflicts_with = "watch_table")]
    pub watch: bool,
    /// Run when this Iceberg table changes.
    #[arg(long, value_name = "CATALOG/NAMESPACE.TABLE", value_parser = pair)]
    pub watch_table: Option<(String, String)>,
    /// The branch or tag of that table. Default: main.
    #[arg(long = "ref", value_name = "REF", requires = "watch_table")]
    pub reference: Option<String>,
    /// Only files like this count, for example *.parquet; repeat the flag for several.
    #[arg(long, value_name = "PATTERN", requires = "watch")]
    pub include: Vec<String>,
    /// Only a newer file of this name is a change, for example _SUCCESS.
    #[arg(long, value_name = "FILE", requires = "watch")]
    pub marker: Option<String>,
    /// Check after each run that Milvus serves the rows.
    #[arg(long, value_enum, value_name = "POLICY", ignore_case = true)]
    pub verify: Option<Verify>,
    /// Fail the check below this many rows.
    #[arg(long, value_name = "ROWS", requires = "verify")]
    pub min_rows: Option<i64>,
    /// Track an active job that this refresh did not start, instead of waiting for its end.
    #[arg(long)]
    pub adopt: bool,
    /// How long a run may wait to start.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub starting_deadline: Option<Duration>,
    /// How long one attempt may take.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub active_deadline: Option<Duration>,
    /// How many times a failed run is retried.
    #[arg(long, value_name = "RETRIES")]
    pub backoff_limit: Option<i64>,
    /// Delete the object so long after its run.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub ttl: Option<Duration>,
}

/// What a check decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verify {
    /// Only the condition Verified.
    Report,
    /// Whether the run completes.
    Require,
}

/// A connection to write.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Connect {
    /// The name of the connection.
    #[arg(default_value = "default")]
    pub name: String,
    /// What to do with the manifest.
    #[command(flatten)]
    pub fate: Fate,
    /// Milvus' address, for example https://milvus.example.com:19530.
    #[arg(long, value_name = "URL", required_unless_present = "milvus", conflicts_with = "milvus")]
    pub address: Option<String>,
    /// The Milvus of milvus-operator in the same namespace.
    #[arg(long, value_name = "NAME")]
    pub milvus: Option<String>,
    /// Let the login go unencrypted while that Milvus has TLS off.
    #[arg(long, requires = "milvus")]
    pub allow_plaintext_login: bool,
    /// The Secret with the login: the key token, or the keys username and password.
    #[arg(long, value_name = "SECRET")]
    pub login_secret: Option<String>,
    /// The Secret with the CA certificates of the server; key: ca.crt if none is named.
    #[arg(long, value_name = "SECRET[/KEY]", conflicts_with = "ca_config_map")]
    pub ca_secret: Option<String>,
    /// The ConfigMap with the CA certificates of the server; key: ca.crt if none is named.
    #[arg(long, value_name = "CONFIGMAP[/KEY]")]
    pub ca_config_map: Option<String>,
    /// The Secret with the client certificate, of type kubernetes.io/tls.
    #[arg(long, value_name = "SECRET")]
    pub client_certificate_secret: Option<String>,
    /// The name in the server's certificate. Default: the host of the address.
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,
    /// A source that refreshes may bring along, for example s3://bucket/path; repeat the flag for several.
    #[arg(long, value_name = "PREFIX")]
    pub allow_source: Vec<String>,
    /// A place that refreshes may watch: prefix=s3://bucket,secret=NAME with endpoint= and region= where it has them; without
    /// secret= it is listed without credentials. Repeat the flag for several.
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = fields)]
    pub watch_source: Vec<Entry>,
    /// An Iceberg catalog whose tables refreshes may watch: name=lake,uri=https://catalog/api with warehouse= and secret= where
    /// it has them. Repeat the flag for several.
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = fields)]
    pub watch_catalog: Vec<Entry>,
    /// How many refreshes run at a time.
    #[arg(long, value_name = "NUMBER")]
    pub max_concurrent: Option<i64>,
    /// How long a call to Milvus may take.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub call_timeout: Option<Duration>,
    /// Let refreshes count rows with filters of their own.
    #[arg(long)]
    pub allow_verify_queries: bool,
}

/// An entry of a list, by its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry(Vec<(String, String)>);

impl Entry {
    /// The values of the fields `known`, of which the first `needed` have to be there.
    ///
    /// # Errors
    /// One of those is missing, or there is another field.
    pub fn fields<const N: usize>(
        &self,
        flag: &str,
        known: [&str; N],
        needed: usize,
    ) -> Result<[Option<String>; N], Problem> {
        if let Some((other, _)) = self.0.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            return Err(Problem::usage(format!("{flag} has no field {other}; it has {}.", known.join(", "))));
        }
        let value = |name: &str| self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        if let Some(missing) = known.iter().take(needed).find(|name| value(name).is_none()) {
            return Err(Problem::usage(format!("{flag} needs {missing}=.")));
        }
        Ok(known.map(value))
    }
}

/// Two words with a slash between them.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((first, second)) if !first.is_empty() && !second.is_empty() => Ok((first.to_owned(), second.to_owned())),
        _ => Err(format!("{text:?} is not like a/b")),
    }
}

/// Entry with commas between them.
fn fields(text: &str) -> Result<Entry, String> {
    let field = |field: &str| match field.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{field:?} is not like key=value")),
    };
    text.split(',').map(field).collect::<Result<_, _>>().map(Entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_field_by_field() {
        let read = fields("prefix=s3://shop,endpoint=http://minio:9000").map(|Entry(fields)| fields);
        let expected = [("prefix", "s3://shop"), ("endpoint", "http://minio:9000")];
        assert_eq!(read, Ok(expected.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()));
        for wrong in ["", "prefix", "prefix=", "=a", "prefix=a,,region=b"] {
            assert!(fields(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pair_has_two_parts() {
        assert_eq!(pair("lake/shop.products"), Ok(("lake".to_owned(), "shop.products".to_owned())));
        for wrong in ["lake", "/a", "a/", ""] {
            assert!(pair(wrong).is_err(), "{wrong}");
        }
    }
}
