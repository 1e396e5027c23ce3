//! Which sources a connection lets its refreshes name.
//!
//! Nothing is normalised here. A source is accepted only in the one spelling that every reader takes for the same place:
//! Milvus' Go side decodes `%2F` and folds case, its C++ side takes the text as it is, and object stores differ from both.
//! So comparing texts segment by segment compares places, and whatever has a second reading is refused.
//!
//! Two things stay with the files and the spec. Table formats (Iceberg, Milvus snapshots) name further files, which whoever
//! writes to an allowed place can point elsewhere. And in `s3://bucket/…` the provider and the region come from the spec; a
//! prefix that begins with the endpoint, such as `s3://s3.eu-central-1.amazonaws.com/bucket`, pins them.

pub mod spec;

pub use crate::milvus::MAX_SOURCE;

/// The only entry of a list that allows every source.
pub const EVERYTHING: &str = "*";

/// The schemes that Milvus reads from.
const SCHEMES: [&str; 10] = ["s3", "s3a", "aws", "minio", "oss", "cos", "obs", "gs", "gcs", "azure"];

/// Whether a connection with these `prefixes` (its `allowedSources`) lets a refresh read `source` with `spec`.
///
/// An empty list allows nothing, `["*"]` every source with a scheme that Milvus takes. Any other list allows the places that
/// begin, on whole path segments, with one of its entries; the spec must not lead Milvus elsewhere then.
///
/// # Errors
/// A sentence that says why not; what to do is said by the class's remedy, which follows it. It repeats neither the source
/// nor the spec, which may hold credentials.
pub fn allows(prefixes: &[String], source: &str, spec: &str) -> Result<(), String> {
    if prefixes.is_empty() {
        return Err(
            "The connection allows no externalSource: its allowedSources is empty. Without externalSource and spec, the \
             refresh uses the source that Milvus stores for the collection."
                .to_owned(),
        );
    }
    let parts = split(source).map_err(unusable)?;
    if let [only] = prefixes
        && only == EVERYTHING
    {
        return Ok(());
    }
    let place = plain(parts).map_err(unusable)?;
    if !prefixes.iter().filter_map(|prefix| parse(prefix).ok()).any(|prefix| place.is_within(&prefix)) {
        return Err(outside(prefixes));
    }
    match spec::detour(spec, place.scheme) {
        None => Ok(()),
        Some(detour) => Err(format!("The connection allows this externalSource, but {detour}.")),
    }
}

fn unusable(problem: &str) -> String {
    format!("externalSource cannot be compared with the connection's allowedSources: it {problem}.")
}

fn outside(prefixes: &[String]) -> String {
    let broken = prefixes.iter().find_map(|prefix| parse(prefix).err());
    let broken =
        broken.map(|problem| format!(" One of the prefixes matches nothing: it {problem}.")).unwrap_or_default();
    format!(
        "externalSource matches no prefix in the connection's allowedSources: scheme, host and port must be the same, and \
         the path must begin with the same whole segments.{broken}"
    )
}

/// A place that everyone reads alike.
#[derive(Debug)]
struct Place<'a> {
    scheme: &'a str,
    /// The host, which may be a bucket, with the port if there is one.
    authority: &'a str,
    /// The segments of the path, without the empty one after a slash at the end.
    path: Vec<&'a str>,
}

impl Place<'_> {
    fn is_within(&self, prefix: &Self) -> bool {
        (self.scheme, self.authority) == (prefix.scheme, prefix.authority) && self.path.starts_with(&prefix.path)
    }
}

fn parse(source: &str) -> Result<Place<'_>, &'static str> {
    plain(split(source)?)
}

/// A source as `(scheme, authority, path)`, without what Milvus never takes.
fn split(source: &str) -> Result<(&str, &str, &str), &'static str> {
    if source.len() > MAX_SOURCE {
        return Err("is longer than 2048 bytes");
    }
    if source.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("contains white space or a control character; remove it");
    }
    let Some((scheme, rest)) = source.split_once("://") else {
        return Err("has no scheme; write it as s3://bucket/path");
    };
    if !SCHEMES.contains(&scheme) {
        return Err(
            "has a scheme that Milvus does not support; use s3, s3a, aws, minio, oss, cos, obs, gs, gcs or azure, \
                    in lower case",
        );
    }
    if rest.contains(['?', '#', '\\']) {
        return Err("contains a ?, # or \\, which not every reader treats as part of the path; remove it");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.is_empty() {
        return Err("has no host or bucket after ://; write it as s3://bucket/path");
    }
    if authority.contains('@') {
        return Err(
            "contains a login before an @; rotate that credential, since others could read it, put the new one into a Secret \
                    and refer to it in externalSpecFrom",
        );
    }
    Ok((scheme, authority, path))
}

/// Refuses what has more than one spelling or more than one reading.
fn plain<'a>((scheme, authority, path): (&'a str, &'a str, &'a str)) -> Result<Place<'a>, &'static str> {
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    if !host.split('.').all(label) {
        return Err("has a host that is not plain: use lower-case letters, digits, -, _ and single dots");
    }
    let number = |port: &str| port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
    if !port.is_none_or(number) {
        return Err("has an invalid port; use a number from 1 to 65535 without leading zeros");
    }
    if path.contains('%') {
        return Err("contains a %, which some readers decode and some do not; use names without percent-encoding");
    }
    // What RFC 3986 lets stand in a path without an encoding.
    if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&b)) {
        return Err("has a path with characters other than ASCII letters, digits and /-._~!$&'()*+,;=:@");
    }
    let path: Vec<&str> = match path.strip_suffix('/').unwrap_or(path) {
        "" if path.is_empty() => Vec::new(),
        path => path.split('/').collect(),
    };
    if path.iter().any(|segment| ["", ".", ".."].contains(segment)) {
        return Err("has an empty path segment, or the segment . or ..; write the path without them");
    }
    Ok(Place { scheme, authority, path })
}
