//! The page in Prometheus' text format 0.0.4, which every scraper and `promtool check metrics` reads. The library writes
//! OpenMetrics, where the metadata of a counter goes without the `_total` of its samples.

use std::fmt;

use prometheus_client::{encoding::text::encode_registry, registry::Registry};

/// What the page must be served as.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All that is in `registry`.
pub(super) fn text(registry: &Registry) -> Result<String, fmt::Error> {
    let mut open_metrics = String::new();
    encode_registry(&mut open_metrics, registry)?;
    Ok(classic(&open_metrics))
}

fn classic(open_metrics: &str) -> String {
    let mut page = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let counter = |line: &str| {
            line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter").map(str::len)).is_some()
        };
        let help = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        if let Some((name, says)) = help
            && lines.peek().is_some_and(|next| counter(next))
        {
            page.push_str(&format!("# HELP {name}_total {says}\n# TYPE {name}_total counter\n"));
            lines.next();
        } else {
            page.push_str(line);
            page.push('\n');
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_of_a_counter_is_called_as_its_samples_are() {
        let open_metrics = "# HELP a Counts.\n# TYPE a counter\na_total 1\n# HELP b Shows.\n# TYPE b gauge\nb 2\n";
        let expected =
            "# HELP a_total Counts.\n# TYPE a_total counter\na_total 1\n# HELP b Shows.\n# TYPE b gauge\nb 2\n";
        assert_eq!(classic(open_metrics), expected);
    }
}
