//! A Kubernetes client that can be listened to.

use axum::http::{Method, Request, StatusCode};
use kube::{Client, client::Body};

/// The same client, but `hear` is told how every request was answered: its status code, or `None` where no answer came.
/// Repetitions within one request are not told. Must be called within a tokio runtime.
pub fn heard<H>(client: Client, hear: H) -> Client
where
    H: Fn(&Method, Option<StatusCode>) + Clone + Send + 'static,
{
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, hear) = (client.clone(), hear.clone());
        async move {
            let method = request.method().clone();
            let answer = client.send(request).await;
            hear(&method, answer.as_ref().ok().map(|answer| answer.status()));
            answer
        }
    });
    Client::new(service, namespace)
}
