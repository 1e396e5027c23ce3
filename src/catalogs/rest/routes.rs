//! Where a catalog keeps its tables.

use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tokio::time::Instant;

use super::{
    super::{access::invalid, port::CatalogError},
    answer::Config,
};
use crate::web::encoded;

/// How long the answer to `/v1/config` counts.
const FRESH: Duration = Duration::from_secs(600);

/// Between the levels of a namespace, where the catalog names no other.
const SEPARATOR: &str = "%1F";

/// Longest name of a table, and longest part of a path that a catalog names, in bytes.
const MAX_LENGTH: usize = 1024;

/// What no path can hold as it is. Catalogs name a prefix as it is to be sent, mostly.
const NOT_IN_A_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// The URL of a catalog's configuration.
pub(super) fn config(base: &str, warehouse: Option<&str>) -> String {
    let query = warehouse.map(|warehouse| format!("?warehouse={}", encoded(warehouse)));
    format!("{base}/config{}", query.unwrap_or_default())
}

/// How a catalog wants to be asked.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    /// Up to the namespaces, with a slash at its end.
    namespaces: String,
    /// As it stands in a URL.
    separator: String,
    since: Instant,
}

impl Routes {
    /// As `config` has it, below `base`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(base: &str, config: Config) -> Result<Self, &'static str> {
        let Config { defaults, overrides } = config;
        if defaults.is_none() && overrides.is_none() {
            return Err("it is no configuration");
        }
        let (defaults, overrides) = (defaults.unwrap_or_default(), overrides.unwrap_or_default());
        let prefix = overrides.prefix.or(defaults.prefix).unwrap_or_default();
        let separator = overrides.namespace_separator.or(defaults.namespace_separator);
        let separator = separator.unwrap_or_else(|| SEPARATOR.to_owned());
        let prefix = prefix.trim_matches('/');
        let dull = |segment: &str| [".", ".."].contains(&segment);
        if prefix.len() > MAX_LENGTH || prefix.contains(['?', '#']) || prefix.split('/').any(dull) {
            return Err("its prefix can be no part of a URL");
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&b);
        if separator.is_empty() || separator.len() > MAX_LENGTH || !separator.bytes().all(plain) {
            return Err("its namespace-separator can be no part of a URL");
        }
        let slash = if prefix.is_empty() { "" } else { "/" };
        let prefix = utf8_percent_encode(prefix, NOT_IN_A_PATH);
        Ok(Self { namespaces: format!("{base}/{prefix}{slash}namespaces/"), separator, since: Instant::now() })
    }

    pub(super) fn are_fresh(&self) -> bool {
        self.since.elapsed() < FRESH
    }

    /// The URL of a table by its name with dots.
    ///
    /// # Errors
    /// When it is no such name.
    pub(super) fn table(&self, name: &str) -> Result<String, CatalogError> {
        let levels: Vec<&str> = name.split('.').collect();
        let usable = name.len() <= MAX_LENGTH && !levels.iter().any(|level| level.is_empty());
        match levels.split_last() {
            Some((table, namespace)) if usable && !namespace.is_empty() => {
                let namespace: Vec<String> = namespace.iter().map(|level| encoded(level).to_string()).collect();
                Ok(format!("{}{}/tables/{}", self.namespaces, namespace.join(&self.separator), encoded(table)))
            }
            _ => Err(invalid("The table is not named namespace.table, as in shop.products. Correct it.")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn routes(config: &str) -> Result<Routes, &'static str> {
        Routes::new("http://lake/v1", serde_json::from_str(config).unwrap())
    }

    fn table(config: &str, name: &str) -> String {
        routes(config).unwrap().table(name).unwrap()
    }

    #[test]
    fn a_table_is_where_the_configuration_says() {
        for (config, expected) in [
            (r#"{"defaults":{},"overrides":{}}"#, "http://lake/v1/namespaces/a%1Fb/tables/t"),
            (r#"{"overrides":{"namespace-separator":"%2E"}}"#, "http://lake/v1/namespaces/a%2Eb/tables/t"),
            (r#"{"defaults":{"prefix":"shop"}}"#, "http://lake/v1/shop/namespaces/a%1Fb/tables/t"),
            (
                r#"{"defaults":{"prefix":"shop","namespace-separator":"."},"overrides":{"prefix":"/catalogs/x%7Cy|z é/"}}"#,
                "http://lake/v1/catalogs/x%7Cy%7Cz%20%C3%A9/namespaces/a.b/tables/t",
            ),
            (r#"{"defaults":{"prefix":null,"uri":"http://evil"}}"#, "http://lake/v1/namespaces/a%1Fb/tables/t"),
        ] {
            assert_eq!(table(config, "a.b.t"), expected, "{config}");
        }
    }

    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(table(r#"{"defaults":{}}"#, "a/b?.t#é "), "http://lake/v1/namespaces/a%2Fb%3F/tables/t%23%C3%A9%20");
        let routes = routes(r#"{"defaults":{}}"#).unwrap();
        for name in ["", "t", ".t", "a.", "a..t", &format!("a.{}", "t".repeat(MAX_LENGTH))] {
            assert!(routes.table(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_configuration_that_leads_elsewhere_is_none() {
        for config in [
            "{}",
            r#"{"defaults":{"prefix":"../admin"}}"#,
            r#"{"defaults":{"prefix":"a/./b"}}"#,
            r#"{"defaults":{"prefix":"a?b"}}"#,
            r#"{"defaults":{"namespace-separator":""}}"#,
            r#"{"defaults":{"namespace-separator":"/"}}"#,
        ] {
            assert!(routes(config).is_err(), "{config}");
        }
    }
}
