//! Credentials, privileges, versions, and a server that goes away.

use super::*;

fn locked() -> Settings {
    let login = Login::Password { user: "root".into(), password: "Mil:vus".into() };
    Settings { login: Some(login), ..Settings::default() }
}

#[tokio::test]
async fn every_call_needs_the_login() {
    let (simulator, client) = milvus_with(locked()).await;
    for mut client in [client.clone(), client.with_credentials("root:wrong"), client.with_credentials("Mil:vus")] {
        let codes = [
            client.connect().await.unwrap_err().code(),
            client.version().await.unwrap_err().code(),
            client.describe("default", "products").await.unwrap_err().code(),
            client.refresh("products").await.unwrap_err().code(),
            client.progress(1).await.unwrap_err().code(),
            client.list("default", "products").await.unwrap_err().code(),
        ];
        assert_eq!(codes, [Code::Unauthenticated; 6]);
    }
    assert!(simulator.accepted_starts("default", "products").is_empty());
    let mut client = client.with_credentials("root:Mil:vus");
    let seen = client.connect().await.unwrap();
    assert_eq!(seen.server_info.unwrap().build_tags, "3.0.1");
    client.start("products").await;
}

#[tokio::test]
async fn a_login_can_change_and_can_be_a_token() {
    let (simulator, client) = milvus_with(locked()).await;
    let mut client = client.with_credentials("key-1");
    assert_eq!(client.version().await.unwrap_err().code(), Code::Unauthenticated);
    simulator.configure(|settings| settings.login = Some(Login::Token("key-1".into())));
    assert_eq!(client.version().await.unwrap().version, "3.0.1");
    simulator.configure(|settings| settings.login = None);
    assert!(client.with_credentials("anything").version().await.is_ok());
}

#[tokio::test]
async fn a_denied_call_names_the_privilege() {
    let (simulator, client) = milvus_with(locked()).await;
    let mut client = client.with_credentials("root:Mil:vus");
    simulator.configure(|settings| settings.denied.push(Method::Refresh));
    let error = client.refresh("products").await.unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied);
    assert_eq!(
        error.message(),
        "PrivilegeRefreshExternalCollection: permission deny to root in the `default` database"
    );
    assert!(client.describe("default", "products").await.is_ok());
    simulator.configure(|settings| settings.denied.clear());
    client.start("products").await;
}

#[tokio::test]
async fn an_old_server_knows_only_the_older_calls() {
    let settings = Settings { too_old: true, version: "2.6.11".into(), ..locked() };
    let (simulator, client) = milvus_with(settings).await;
    let mut stranger = client.clone();
    let error = stranger.refresh("products").await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(error.message().starts_with("unknown method RefreshExternalCollection"), "{error}");
    assert_eq!(stranger.progress(1).await.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(stranger.list("default", "products").await.unwrap_err().code(), Code::Unimplemented);
    let mut client = client.with_credentials("root:Mil:vus");
    assert_eq!(client.version().await.unwrap().version, "2.6.11");
    assert!(client.describe("default", "products").await.is_ok());
    simulator.configure(|settings| settings.too_old = false);
    client.start("products").await;
}

#[tokio::test]
async fn a_paused_server_cuts_connections_and_comes_back_on_its_port() {
    let (simulator, mut client) = milvus().await;
    simulator.set_plan("default", "products", Plan::hangs());
    let id = client.start("products").await;
    simulator.fault(Method::Version, Fault::HangAfterEffect);
    let hanging = tokio::spawn({
        let mut client = client.clone();
        async move { client.version().await }
    });
    bounded(simulator.wait_until(|simulator| simulator.calls(Method::Version) == 1)).await;
    for _ in 0..2 {
        simulator.pause().await;
        assert!(client.job_or_error(id).await.is_err());
        simulator.resume().await.unwrap();
        simulator.resume().await.unwrap();
        assert_eq!(client.job_or_error(id).await.unwrap(), id);
    }
    assert!(bounded(hanging).await.unwrap().is_err());
    simulator.stop().await;
    assert!(Client::of(&simulator).version().await.is_err());
}

impl Client {
    async fn job_or_error(&mut self, id: i64) -> Result<i64, Status> {
        Ok(self.progress(id).await?.job_info.expect("a known job").job_id)
    }
}
