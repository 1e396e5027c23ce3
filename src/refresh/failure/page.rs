//! The failure classes as a page for people: `docs/failures.md`.

use std::fmt::Write as _;

use super::{FailureClass, Words};

const HEAD: &str = "\
<!-- Written by `make docs` from src/refresh/failure/table.rs. -->

# When a refresh has failed

Check its status first:

```
kubectl get ecrefresh NAME -o jsonpath='{.status.failure}{\"\\n\"}{.status.reason}{\"\\n\"}'
kubectl describe ecrefresh NAME
```

`status.failure.class` is one of the classes below, `status.reason` is Milvus' own message. Unless the section says
otherwise, a failed refresh has changed nothing: the collection still serves the data that it had.

The operator retries a class marked *yes* below automatically, up to `spec.backoffLimit` times (3 by default); meanwhile
`status.failure` is set, and the reason of `Ready` is the class. Nothing else is retried automatically. **To run it
again** once the cause is resolved, set `spec.trigger` to a new value, in Git or by hand:

```
kubectl patch ecrefresh NAME --type=merge -p '{\"spec\":{\"trigger\":\"'\"$(date -u +%FT%TZ)\"'\"}}'
```

If Git owns the spec and a commit takes too long, annotate the object instead:

```
kubectl annotate --overwrite ecrefresh NAME milvus-refresh.dev/requestedAt=\"$(date -u +%FT%TZ)\"
```

If Milvus refuses the login, is down or is too old, the refresh does not fail: it waits with the reason
`ConnectionNotReady`, and `kubectl describe milvusconn` says why.
";

/// The page, as Markdown. Each class has a section of its name, to whose anchor its remedy points.
pub fn page() -> String {
    let mut out = format!("{HEAD}\n| class | retried | meaning |\n|---|---|---|\n");
    for class in FailureClass::ALL {
        let entry = class.entry();
        let again = if entry.retryable { "yes" } else { "no" };
        let anchor = entry.name.to_lowercase();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| [{}](#{anchor}) | {again} | {} |", entry.name, entry.meaning);
    }
    for class in FailureClass::ALL {
        section(&mut out, class);
    }
    out
}

/// The section of one class, for whoever has no documentation at hand.
pub fn section_of(class: FailureClass) -> String {
    let mut out = String::new();
    section(&mut out, class);
    out.trim_start().to_owned()
}

fn section(out: &mut String, class: FailureClass) {
    let entry = class.entry();
    let again = if entry.retryable {
        "Retried automatically, up to `spec.backoffLimit` times."
    } else {
        "Not retried automatically."
    };
    let _ = write!(out, "\n## {}\n\n{} {}\n\n{again}\n", entry.name, entry.meaning, entry.happened);
    if !entry.words.is_empty() {
        out.push_str("\nTypical messages of Milvus:\n\n```\n");
        for words in entry.words {
            let _ = match words {
                Words::Reason(text) => writeln!(out, "{text}"),
                Words::Code(code, text) => writeln!(out, "{text}    (code {code})"),
                Words::Grpc(code, text) => writeln!(out, "{text}    (gRPC status {code})"),
            };
        }
        out.push_str("```\n");
    }
    out.push_str("\nWhat to do:\n\n");
    for (number, step) in (1..).zip(entry.steps) {
        let _ = writeln!(out, "{number}. {step}");
    }
}
