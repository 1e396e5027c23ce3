//! What is counted, in the text format that Prometheus scrapes. Labels are closed sets.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The operator's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    undecodable: Family<Controller, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let undecodable = Family::default();
        registry.register(
            "milvus_refresh_undecodable_objects",
            "Passes over objects that this version cannot decode and leaves alone",
            undecodable.clone(),
        );
        Self { registry, undecodable }
    }
}

impl Metrics {
    /// Counts a pass over an object that cannot be decoded.
    pub fn undecodable(&self, controller: &'static str) {
        self.undecodable.get_or_create(&Controller { controller }).inc();
    }

    /// The metrics page.
    ///
    /// # Errors
    /// Only when a metric cannot be formatted.
    pub fn page(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        encode(&mut page, &self.registry)?;
        Ok(page)
    }
}
