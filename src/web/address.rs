//! Addresses as people write them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// What RFC 3986 and signatures leave as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The host of `https://host[:port][/path]`, or the same with `http://`: what has a second reading is refused.
///
/// # Errors
/// What is wrong with it, to go on after its name. It is not repeated, since it may hold a login.
pub(crate) fn check(url: &str) -> Result<&str, &'static str> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    if scheme != "https" && scheme != "http" {
        return Err("does not begin with https:// or http://");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let plain = |text: &str, more: &[u8]| text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b));
    let port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0));
    if host.is_empty() || !plain(host, b"-._") || !port || !plain(path, b"-._~/") || path.split('/').any(|s| s == "..")
    {
        return Err("cannot be used");
    }
    Ok(host)
}

/// The `host:port` of a URL.
pub(crate) fn host_of(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, authority)| authority);
    authority.split('/').next().unwrap_or(authority)
}

/// `text` as one segment of a path or one value of a query.
pub(crate) fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, PLAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_perhaps_a_port_and_a_path() {
        for (url, host) in [
            ("https://lake.example", "lake.example"),
            ("http://127.0.0.1:9000/", "127.0.0.1"),
            ("https://lake:443/api/~a/catalog-1.0_x", "lake"),
        ] {
            assert_eq!(check(url), Ok(host), "{url}");
        }
        for url in [
            "",
            "lake",
            "s3://lake",
            "HTTPS://lake",
            "https://",
            "https:///a",
            "https://me@lake",
            "https://me:password@lake",
            "https://lake:0",
            "https://lake:65536",
            "https://lake/../a",
            "https://lake/a?b",
            "https://lake/a%2Fb",
            "https://[::1]/",
        ] {
            assert!(check(url).is_err(), "{url}");
        }
    }
}
