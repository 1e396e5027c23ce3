//! The failure classes as a page for people: `docs/failures.md`.

use std::fmt::Write as _;

use super::{FailureClass, Words};

const HEAD: &str = "\
<!-- Written by `make docs` from src/refresh/failure/table.rs. -->

# When a refresh has failed

Look at what it says first:

```
kubectl get ecrefresh NAME -o jsonpath='{.status.failure}{\"\\n\"}{.status.reason}{\"\\n\"}'
kubectl describe ecrefresh NAME
```

`status.failure.class` is one of the classes below, `status.reason` holds Milvus' own words. Unless the section says
otherwise, a failed refresh has changed nothing: the collection still serves the data that it had.

A class marked *yes* below may pass without anybody's help. Such a run is tried again by itself, `spec.backoffLimit`
times (3 unless set); `status.failure` is shown meanwhile, and the reason of `Ready` is the class. Nothing else starts
by itself again. **To run it again** once the cause is gone, change `spec.trigger` to a value that it never had, in Git
or by hand:

```
kubectl patch ecrefresh NAME --type=merge -p '{\"spec\":{\"trigger\":\"'\"$(date -u +%FT%TZ)\"'\"}}'
```

Where Git owns the spec and a commit takes too long, annotate the object instead:

```
kubectl annotate --overwrite ecrefresh NAME milvus-refresh.dev/requestedAt=\"$(date -u +%FT%TZ)\"
```

A login that Milvus refuses, a Milvus that is down and one that is too old are no failures of a refresh: it waits with
the reason `ConnectionNotReady`, and `kubectl describe milvusconn` says what is wrong.
";

/// The page, as Markdown. Each class has a section of its name, to whose anchor its remedy points.
pub fn page() -> String {
    let mut out = format!("{HEAD}\n| class | tried again | meaning |\n|---|---|---|\n");
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

fn section(out: &mut String, class: FailureClass) {
    let entry = class.entry();
    let again = if entry.retryable {
        "Tried again by itself, as far as `spec.backoffLimit` lets it."
    } else {
        "Not tried again by itself."
    };
    let _ = write!(out, "\n## {}\n\n{} {}\n\n{again}\n", entry.name, entry.meaning, entry.happened);
    if !entry.words.is_empty() {
        out.push_str("\nTypical words of Milvus:\n\n```\n");
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
