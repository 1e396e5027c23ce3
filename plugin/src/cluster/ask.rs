//! One request to the API server, and what its refusal says to a person.

use kube::core::Status;

use super::Cluster;
use crate::{exit::Exit, problem::Problem};

/// What is asked, as roles name it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The verb: `get`, `list`, `watch`, `patch` and so on.
    pub verb: &'static str,
    /// The plural of the kind.
    pub resource: &'static str,
    /// Where; none for all namespaces.
    pub namespace: Option<&'a str>,
    /// Which one.
    pub name: Option<&'a str>,
}

impl Cluster {
    /// The answer to one request.
    ///
    /// # Errors
    /// What the refusal means, or that no answer came in the time of `--request-timeout`.
    pub async fn ask<T>(&self, call: &Call<'_>, request: impl Future<Output = kube::Result<T>>) -> Result<T, Problem> {
        let answer = match self.deadline {
            None => request.await,
            Some(deadline) => tokio::time::timeout(deadline, request).await.map_err(|_| {
                let message = format!(
                    "The cluster at {} did not answer within {} ms (--request-timeout).",
                    self.server,
                    deadline.as_millis()
                );
                Problem::new(Exit::Unreachable, message)
            })?,
        };
        answer.map_err(|error| self.refusal(call, &error))
    }

    /// The answer to one request, or why the caller may not ask it.
    ///
    /// # Errors
    /// As [`ask`](Self::ask), but for a right that is missing.
    pub async fn if_allowed<T>(
        &self,
        call: &Call<'_>,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<Result<T, Problem>, Problem> {
        let mut forbidden = false;
        let noted = async {
            let answer = request.await;
            forbidden = matches!(&answer, Err(kube::Error::Api(status)) if status.code == 403);
            answer
        };
        match self.ask(call, noted).await {
            Err(problem) if forbidden => Ok(Err(problem)),
            answer => answer.map(Ok),
        }
    }

    /// What an error means.
    pub fn refusal(&self, call: &Call<'_>, error: &kube::Error) -> Problem {
        match error {
            kube::Error::Api(status) => of_status(call, status),
            error => unreached(&self.server, error),
        }
    }
}

/// What the API server's answer means.
fn of_status(call: &Call<'_>, status: &Status) -> Problem {
    let Call { verb, resource, namespace, name } = call;
    let place = match namespace {
        Some(namespace) => format!("in namespace {namespace}"),
        None => "in all namespaces".to_owned(),
    };
    let said = if status.message.is_empty() { &status.reason } else { &status.message };
    match (status.code, name) {
        (401, _) => Problem::new(
            Exit::Unreachable,
            "The cluster does not accept your login. Log in again, or choose another --context or --user.",
        ),
        (403, _) => {
            let group = if resource.contains('.') || !is_ours(resource) { "" } else { ".milvus-refresh.dev" };
            let wider = if namespace.is_none() { " Or name one namespace with -n." } else { "" };
            let message = format!(
                "You may not {verb} {resource}{group} {place}. Ask for a role with the verb {verb} on {resource}{group}, for \
                 example {}.{wider}",
                if matches!(*verb, "get" | "list" | "watch") {
                    "view, or milvus-refresh-operator-view"
                } else {
                    "edit, or milvus-refresh-operator-edit"
                }
            );
            Problem::new(Exit::Failed, message)
        }
        // The path is unknown, not the object.
        (404, _) if status.details.as_ref().is_none_or(|details| details.name.is_empty()) => {
            let message = format!(
                "This cluster does not know {resource}: the CRDs of milvus-refresh-operator are not installed. Choose another \
                 --context, or install the operator with its Helm chart, which brings them along (docs/install.md); the CRDs alone: \
                 kubectl apply --server-side -f crds/"
            );
            Problem::new(Exit::NotFound, message)
        }
        (404, Some(name)) => {
            let message = format!(
                "There is no {} {name} {place}. To see which there are: kubectl ecrefresh list -A",
                singular(resource)
            );
            Problem::new(Exit::NotFound, message)
        }
        (429 | 500.., _) => {
            let message = format!(
                "The API server cannot {verb} {resource} {place} at the moment ({}): {}. Try again later.",
                status.code,
                said.trim_end_matches('.')
            );
            Problem::new(Exit::Unreachable, message)
        }
        _ => Problem::new(Exit::Failed, format!("The API server refuses to {verb} {resource} {place}: {said}")),
    }
}

fn is_ours(resource: &str) -> bool {
    matches!(resource, super::REFRESHES | super::CONNECTIONS)
}

fn singular(resource: &str) -> &str {
    match resource {
        super::REFRESHES => "refresh",
        super::CONNECTIONS => "MilvusConnection",
        other => other.trim_end_matches('s'),
    }
}

/// What it means that no answer came.
fn unreached(server: &str, error: &kube::Error) -> Problem {
    let message = match error {
        kube::Error::Auth(error) => {
            format!("Your login for the cluster at {server} cannot be had: {}.", causes(error))
        }
        kube::Error::SerdeError(error) => {
            let message = format!("The answer of the cluster at {server} cannot be read: {error}.");
            return Problem::new(Exit::Failed, message);
        }
        error => format!(
            "The cluster at {server} does not answer: {}. Check the network and the context (kubectl config current-context).",
            causes(error)
        ),
    };
    Problem::new(Exit::Unreachable, message)
}

/// The innermost cause says what is wrong; what is around it says which library it came through.
fn causes(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kube::core::response::StatusDetails;
    use serde_json::json;

    use super::*;

    const GET: Call<'_> =
        Call { verb: "get", resource: super::super::REFRESHES, namespace: Some("shop"), name: Some("a") };
    const LIST: Call<'_> = Call { verb: "list", resource: super::super::REFRESHES, namespace: None, name: None };

    fn status(code: u16, name: &str) -> Status {
        let details: StatusDetails = serde_json::from_value(json!({ "name": name })).unwrap();
        Status { code, details: Some(details), ..Status::failure("no", "Because") }
    }

    #[test]
    fn a_missing_right_is_told_by_its_verb_and_resource() {
        let problem = of_status(&GET, &status(403, "a"));
        assert_eq!(problem.exit, Exit::Failed);
        assert_eq!(
            problem.to_string(),
            "You may not get externalcollectionrefreshes.milvus-refresh.dev in namespace shop. Ask for a role with the verb get \
             on externalcollectionrefreshes.milvus-refresh.dev, for example view, or milvus-refresh-operator-view."
        );
        let problem = of_status(&LIST, &status(403, ""));
        assert!(problem.to_string().ends_with("Or name one namespace with -n."), "{problem}");
    }

    #[test]
    fn an_object_that_is_missing_and_a_kind_that_is_missing_are_told_apart() {
        let object = of_status(&GET, &status(404, "a"));
        assert!(object.to_string().starts_with("There is no refresh a in namespace shop."), "{object}");
        let kind = of_status(&GET, &status(404, ""));
        assert!(kind.to_string().contains("CRDs"), "{kind}");
        assert_eq!((object.exit, kind.exit), (Exit::NotFound, Exit::NotFound));
    }

    #[test]
    fn an_api_server_that_cannot_answer_now_is_told_apart_from_one_that_refuses() {
        for code in [429, 500, 502, 503, 504] {
            let problem = of_status(&GET, &status(code, "a"));
            assert_eq!(problem.exit, Exit::Unreachable, "{problem}");
            assert!(problem.to_string().contains(&format!("({code}): no. Try again later.")), "{problem}");
        }
    }

    #[test]
    fn what_else_is_refused_is_quoted() {
        let problem = of_status(&GET, &status(422, "a"));
        assert_eq!(
            problem.to_string(),
            "The API server refuses to get externalcollectionrefreshes in namespace shop: no"
        );
    }
}
