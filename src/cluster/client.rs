//! The Kubernetes client, which can be listened to.

mod proxy;

use axum::http::{Method, Request, StatusCode};
use kube::{Client, Config, client::Body};

/// A client of the cluster that the kubeconfig names, or else the pod's service account, and the host that it speaks to. Must
/// be called within a tokio runtime.
///
/// # Errors
/// When there is neither, or it makes no sense.
pub async fn connect() -> anyhow::Result<(Client, String)> {
    let config = Config::infer().await?;
    let host = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
    Ok((of(config, proxy::of_kubeconfig().as_deref())?, host))
}

/// A client for this configuration, whose kubeconfig names this proxy for the cluster. Must be called within a tokio runtime.
///
/// # Errors
/// When it makes no sense.
pub fn of(config: Config, proxy_of_kubeconfig: Option<&str>) -> anyhow::Result<Client> {
    proxy::client(config, proxy_of_kubeconfig)
}

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
