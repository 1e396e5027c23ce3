//! The calls to Milvus.

use std::{fmt, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{family::Family, histogram::Histogram},
    registry::Registry,
};

use crate::milvus::ErrorKind;

/// In seconds. A call has at most the 300 s that `requestTimeoutSeconds` may be set to.
const TIMES: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 100.0, 300.0];

/// How long calls took, by what came of them.
#[derive(Clone, Debug)]
pub struct Calls {
    times: Family<Call, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    method: &'static str,
    code: Code,
}

/// The kind of the error, from a closed set; `None` for a success.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Code(Option<ErrorKind>);

impl EncodeLabelValue for Code {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        match self.0 {
            None => EncodeLabelValue::encode(&"OK", encoder),
            Some(kind) => EncodeLabelValue::encode(&format!("{kind:?}"), encoder),
        }
    }
}

impl Calls {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let times = Family::new_with_constructor((|| Histogram::new(TIMES)) as fn() -> Histogram);
        registry.register(
            "milvus_refresh_milvus_rpc_duration_seconds",
            "Duration of calls to Milvus, by method and result: OK or the kind of error",
            times.clone(),
        );
        Self { times }
    }

    /// A call of `method`, Milvus' name of it, has ended.
    pub fn ended(&self, method: &'static str, error: Option<ErrorKind>, took: Duration) {
        self.times.get_or_create(&Call { method, code: Code(error) }).observe(took.as_secs_f64());
    }
}
