//! The Kubernetes client, which can be listened to.

mod proxy;

use axum::http::{Method, Request, Response, StatusCode};
use kube::{Client, Config, client::Body, config::Kubeconfig};

/// A client of the cluster that the kubeconfig names, or else the pod's service account, and the host that it speaks to. Must
/// be called within a tokio runtime.
///
/// # Errors
/// When there is neither, or it makes no sense.
pub async fn connect() -> anyhow::Result<(Client, String)> {
    let config = Config::infer().await?;
    let host = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
    // Set where the kubeconfig or the environment names one for any server.
    let proxy = config.proxy_url.as_ref().and_then(|_| proxy_of(&Kubeconfig::read().ok()?, None, None));
    Ok((of(config, proxy.as_deref())?, host))
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
    intercepted(client, move |client, request| {
        let hear = hear.clone();
        async move {
            let method = request.method().clone();
            let answer = client.send(request).await;
            hear(&method, answer.as_ref().ok().map(|answer| answer.status()));
            answer
        }
    })
}

/// A client whose requests `send` takes to `client`. Must be called within a tokio runtime.
pub(super) fn intercepted<F, Fut>(client: Client, send: F) -> Client
where
    F: Fn(Client, Request<Body>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = kube::Result<Response<Body>>> + Send + 'static,
{
    let namespace = client.default_namespace().to_owned();
    Client::new(tower::service_fn(move |request| send(client.clone(), request)), namespace)
}

/// The `proxy-url` of a kubeconfig's cluster: of this one, or of that of this context, else of the current one.
pub fn proxy_of(file: &Kubeconfig, context: Option<&str>, cluster: Option<&str>) -> Option<String> {
    let context = context.or(file.current_context.as_deref());
    let context = file.contexts.iter().find(|known| Some(known.name.as_str()) == context);
    let of_context = context.and_then(|context| context.context.as_ref()).map(|context| context.cluster.as_str());
    let name = cluster.or(of_context)?;
    let cluster = file.clusters.iter().find(|cluster| cluster.name == name)?;
    cluster.cluster.as_ref()?.proxy_url.clone().filter(|url| !url.is_empty())
}
