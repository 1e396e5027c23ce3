//! The API server's audit log: who asked for what, and what came of it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
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
    /// When the request had ended, RFC 3339 with microseconds.
    pub ended: String,
}

/// Reads the log from the byte `offset` on, in order of the requests' ends, and gives the offset behind what it has read.
/// A line that the API server is just writing is left for the next time.
pub(crate) fn read(log: &Path, offset: u64) -> Result<(Vec<AuditLine>, u64)> {
    let mut bytes = Vec::new();
    File::open(log)
        .and_then(|mut file| {
            file.seek(SeekFrom::Start(offset))?;
            file.read_to_end(&mut bytes)
        })
        .with_context(|| format!("cannot read the audit log {}", log.display()))?;
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    bytes.truncate(complete);
    let lines = String::from_utf8_lossy(&bytes)
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("an audit line is not JSON: {line}")))
        .map(|event| event.map(|event| parse(&event)))
        .collect::<Result<_>>()?;
    Ok((lines, offset + u64::try_from(complete)?))
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
        ended: text("/stageTimestamp"),
    }
}
