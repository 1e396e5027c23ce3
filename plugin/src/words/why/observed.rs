//! What the operator would see, from what the API server shows.

use std::time::Duration;

use milvus_refresh_operator::{
    api::{ConnectionReason, MilvusConnection, READY},
    refresh::{Connection, Desired, Fact, Observation, Permission, Recorded, Scouted, elapsed},
};

use super::{
    Known,
    line_up::{self, Other},
};
use crate::cluster::Operator;

/// Looks at sources and at what a collection serves are the operator's; what came of them stands in the record.
pub fn observation(known: &Known<'_>, others: &[Other<'_>], want: &Desired, record: &Recorded) -> Observation {
    let (turn, ahead) = line_up::turn(known, others, want, record);
    let run = record.run.as_ref();
    Observation {
        connection: connection(known),
        claim_known: run.and_then(|run| run.submit_time).map(|since| elapsed(since, known.now)).unwrap_or_default(),
        permission: match known.operator {
            Operator::Silent(_) => Permission::Withheld,
            Operator::Works(_) | Operator::Unknown(_) => Permission::Granted,
        },
        operator: run.and_then(|run| run.operator.clone()).unwrap_or_default(),
        turn,
        ahead,
        luck: 0.0,
        nonce: 0,
        slot: line_up::slot(known, others, want, record),
        examined: Some(Duration::ZERO),
        scouted: Scouted::default(),
        fact: Fact::Nothing,
    }
}

/// The connection as its status has it. One that cannot be had is taken for ready: what is wrong with it then stands in the
/// refresh's own status.
fn connection(known: &Known<'_>) -> Connection {
    match known.connection {
        Ok(Some(connection)) => of_status(connection),
        Ok(None) => Connection::missing(&known.object.spec.connection_ref.name),
        Err(_) => Connection::Ready { endpoint: claimed_endpoint(known) },
    }
}

fn of_status(connection: &MilvusConnection) -> Connection {
    let status = connection.status.as_ref();
    let ready = status.and_then(|status| status.conditions.iter().find(|condition| condition.type_ == READY));
    match ready {
        Some(ready) if ready.status == "True" => {
            let endpoint = status.and_then(|status| status.endpoint.clone()).unwrap_or_default();
            Connection::Ready { endpoint }
        }
        Some(ready) => Connection::NotReady {
            reason: ConnectionReason::parse(&ready.reason).unwrap_or(ConnectionReason::ServerError),
            message: ready.message.clone(),
        },
        None => Connection::NotReady {
            reason: ConnectionReason::Unreachable,
            message: format!(
                "The operator has not looked at MilvusConnection {} yet.",
                connection.metadata.name.as_deref().unwrap_or_default()
            ),
        },
    }
}

/// The address that the run was claimed for, so that it does not look as if the connection led elsewhere.
fn claimed_endpoint(known: &Known<'_>) -> String {
    let run = known.object.status.as_ref().and_then(|status| status.run.as_ref());
    run.and_then(|run| run.endpoint.clone()).unwrap_or_default()
}
