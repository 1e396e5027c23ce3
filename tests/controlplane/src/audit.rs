//! The API server's audit log: who asked for what, and what came of it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Which requests are logged: all of them, once, when they have ended; not what the API server asks of itself.
pub(crate) const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- {level: None, users: ['system:apiserver']}
- {level: Metadata}
";

/// One request that has ended. A watch ends with its connection: stop the client before you look for its watches.
/// What a request does not have is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// Who asked, such as `system:serviceaccount:default:reader`.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural of the kind; empty for requests such as `/readyz`.
    pub resource: String,
    /// `status` and the like.
    pub subresource: String,
    /// The namespace; empty for requests across namespaces.
    pub namespace: String,
    /// The object's name; empty for lists and watches.
    pub name: String,
    /// The path with the query.
    pub uri: String,
    /// The HTTP status code; 0 when there was none.
    pub code: u16,
}

/// Reads the log in order of the requests' ends. A line that the API server is just writing is left out.
pub(crate) fn read(log: &Path) -> Result<Vec<AuditLine>> {
    let bytes = fs::read(log).with_context(|| format!("cannot read the audit log {}", log.display()))?;
    String::from_utf8_lossy(&bytes)
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).with_context(|| format!("an audit line is not JSON: {line}")))
        .map(|event| event.map(|event| parse(&event)))
        .collect()
}

fn parse(event: &Value) -> AuditLine {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    AuditLine {
        user: text("/user/username"),
        verb: text("/verb"),
        group: text("/objectRef/apiGroup"),
        resource: text("/objectRef/resource"),
        subresource: text("/objectRef/subresource"),
        namespace: text("/objectRef/namespace"),
        name: text("/objectRef/name"),
        uri: text("/requestURI"),
        code: event
            .pointer("/responseStatus/code")
            .and_then(Value::as_u64)
            .and_then(|code| u16::try_from(code).ok())
            .unwrap_or_default(),
    }
}
