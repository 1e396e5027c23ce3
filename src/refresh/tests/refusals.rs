//! The failure classes of calls that Milvus refuses, over the wire: both channels, the submit and the look before it.

use std::time::Duration;

use milvus_simulator::{Fault, Method, Settings, Simulator, When};

use super::scene::{Scene, looked, old};
use crate::{
    milvus::{ConnectOptions, Milvus, MilvusError, Refusal, grpc::GrpcMilvus},
    refresh::{Decision, Fact, FailureClass, Reason, Submission, failure::Words, limits::GRACE},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// What the calls answer when Milvus says `words`: the submit, then the description of a look.
async fn refusals(server: &Simulator, client: &GrpcMilvus, words: &Words) -> Option<[MilvusError; 2]> {
    let when = When::Before;
    let fault = match *words {
        Words::Reason(_) => return None,
        Words::Code(code, text) => Fault::Milvus { code, reason: text.into(), when },
        Words::Grpc(code, text) => Fault::Status { code, text: text.into(), when },
    };
    server.fault(Method::Refresh, fault.clone());
    server.fault(Method::Describe, fault);
    let submit = client.submit("default", "products", None, PATIENCE).await.unwrap_err();
    let describe = client.describe("default", "products").await.unwrap_err();
    Some([submit, describe])
}

/// What is decided once such a refusal of a start is proven.
fn refused_start(error: MilvusError) -> Decision {
    let mut scene = Scene::claimed();
    let later = error.refusal() == Some(Refusal::Later);
    let decision = scene.play(Fact::Submitted(Submission::Failed(error)));
    if !later {
        return decision;
    }
    scene.pass(GRACE);
    scene.play(looked(vec![old()]))
}

#[tokio::test]
async fn the_refusals_in_the_documentation_are_of_the_class_that_they_stand_under() {
    let server = Simulator::start(([127, 0, 0, 1], 0).into(), Settings::default()).await.unwrap();
    let options = ConnectOptions { address: server.url(), tls: None, login: None, request_timeout: PATIENCE };
    let client = GrpcMilvus::connect(options).unwrap();
    let mut refused = 0;
    for class in FailureClass::ALL {
        for words in class.entry().words {
            let Some([submit, describe]) = refusals(&server, &client, words).await else { continue };
            let text = submit.message.clone();
            let started = refused_start(submit);
            let looked = Scene::new().play(Fact::Looked(Err(describe)));
            for decision in [started, looked] {
                assert_eq!(decision.reason(), Reason::Failed(class), "{words:?}");
                assert_eq!(decision.message(), format!("{text}. {}", class.remedy()), "{words:?}");
            }
            refused += 1;
        }
    }
    assert!(refused > 8, "only {refused} refusals were looked at");
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_failure_of_the_run_has_no_class() {
    let server = Simulator::start(([127, 0, 0, 1], 0).into(), Settings::default()).await.unwrap();
    let options = ConnectOptions { address: server.url(), tls: None, login: None, request_timeout: PATIENCE };
    let client = GrpcMilvus::connect(options).unwrap();
    let table = [
        Words::Grpc(16, "auth check failure, please check api key is correct"),
        Words::Grpc(12, "unknown method RefreshExternalCollection"),
        Words::Grpc(14, "no healthy upstream"),
        Words::Grpc(2, "internal: Milvus Proxy is not ready yet. please wait"),
        Words::Code(1, "service not ready"),
        Words::Code(5, "service internal error: collection not found in cache, access denied"),
        Words::Code(8, "rate limit exceeded"),
        Words::Code(1400, "not authenticated"),
        Words::Code(65535, "permission denied while reading column * of the collection"),
    ];
    for words in table {
        let [submit, describe] = refusals(&server, &client, &words).await.unwrap();
        for decision in [
            Scene::claimed().play(Fact::Submitted(Submission::Failed(submit))),
            Scene::new().play(Fact::Looked(Err(describe))),
        ] {
            let reason = decision.reason();
            assert!(matches!(reason, Reason::ConnectionNotReady | Reason::OutcomeUnknown), "{words:?}: {reason:?}");
        }
    }
    server.stop().await;
}
