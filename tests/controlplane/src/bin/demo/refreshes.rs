//! How the refreshes of the demo stand, and how each should end.

use std::fmt;

use anyhow::{Context, Result};
use serde_json::Value;

/// The reason that the simulated Milvus gives for the failure of `orders`.
pub const NO_FILES: &str = "no files found in external source";

/// A refresh, as far as the demo looks at it.
pub struct Refresh {
    /// The object's name.
    pub name: String,
    object: Value,
}

impl Refresh {
    /// Reads the list that kubectl prints as JSON.
    ///
    /// # Errors
    /// It is no such list.
    pub fn all(list: &str) -> Result<Vec<Self>> {
        let mut list: Value = serde_json::from_str(list).context("kubectl printed no JSON")?;
        let items = list.get_mut("items").and_then(Value::as_array_mut).context("kubectl printed no list")?;
        let refresh = |object: Value| {
            let name = object.pointer("/metadata/name").and_then(Value::as_str)?.to_owned();
            Some(Self { name, object })
        };
        items.drain(..).map(|object| refresh(object).context("kubectl printed an object without a name")).collect()
    }

    /// Whether its run is over, or it waits for its time.
    pub fn is_finished(&self) -> bool {
        self.is("Complete") || self.is("Failed") || self.is_idle()
    }

    fn is_idle(&self) -> bool {
        self.condition("Ready", "reason") == "Idle"
    }

    /// Whether it ended as the demo means it to.
    pub fn is_as_expected(&self) -> bool {
        match self.name.as_str() {
            "products" => self.is("Complete") && self.is("Verified"),
            "products-nightly" => self.is_idle(),
            "orders" => self.is("Failed") && self.text("/status/reason").contains(NO_FILES),
            _ => self.is("Failed"),
        }
    }

    fn is(&self, condition: &str) -> bool {
        self.condition(condition, "status") == "True"
    }

    fn condition(&self, condition: &str, field: &str) -> &str {
        let conditions = self.object.pointer("/status/conditions").and_then(Value::as_array);
        let text = |of: &Value, key: &str| of.get(key).and_then(Value::as_str) == Some(condition);
        conditions
            .into_iter()
            .flatten()
            .find(|of| text(of, "type"))
            .and_then(|of| of.get(field)?.as_str())
            .unwrap_or_default()
    }

    fn text(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

impl fmt::Display for Refresh {
    /// Name, reason and message; the message of a failure also says what to do, and that of a verified one what is served.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:<16} {}: {}", self.name, self.condition("Ready", "reason"), self.condition("Ready", "message"))?;
        if self.is("Verified") {
            write!(out, " {}", self.condition("Verified", "message"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn refresh(name: &str, condition: &str, reason: &str) -> Refresh {
        let conditions = json!([
            {"type": "Ready", "status": "Unknown"}, {"type": condition, "status": "True"},
            {"type": "Verified", "status": if reason == "not served" { "False" } else { "True" }}
        ]);
        let object = json!({"metadata": {"name": name}, "status": {"reason": reason, "conditions": conditions}});
        Refresh::all(&json!({"items": [object]}).to_string()).unwrap().remove(0)
    }

    #[test]
    fn a_refresh_is_judged_by_its_conditions() {
        assert!(!refresh("products", "Reconciling", "").is_finished());
        for (name, condition, reason, expected) in [
            ("products", "Complete", "", true),
            ("products", "Complete", "not served", false),
            ("products", "Failed", "", false),
            ("orders", "Failed", "no files found in external source s3://x", true),
            ("orders", "Failed", "another reason", false),
            ("orders", "Complete", "", false),
            ("missing", "Failed", "", true),
            ("missing", "Complete", "", false),
        ] {
            let refresh = refresh(name, condition, reason);
            assert!(refresh.is_finished());
            assert_eq!(refresh.is_as_expected(), expected, "{name} {condition} {reason}");
        }
    }
}
