//! The page of one refresh, from all that is known of it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection};

use crate::{
    cluster::Operator,
    screen::{Line, Screen},
    words::{
        status::{Whole, status},
        why::{Known, why},
    },
};

/// All that a page is made from.
pub struct Page {
    /// The refresh.
    pub object: ExternalCollectionRefresh,
    /// Its connection, or why it cannot be had.
    pub connection: Result<Option<MilvusConnection>, String>,
    /// The refreshes that it may have to wait for.
    pub others: Vec<ExternalCollectionRefresh>,
    /// Whether an operator is at work.
    pub operator: Operator,
    /// Its Events, or why they cannot be had.
    pub events: Result<Vec<Event>, String>,
}

impl Page {
    /// The page as of `now`.
    pub fn lines(&self, screen: &Screen, now: Timestamp) -> Vec<Line> {
        let connection = self.connection.as_ref().map(Option::as_ref).map_err(String::as_str);
        let known = Known { object: &self.object, connection, others: &self.others, operator: &self.operator, now };
        let events = self.events.as_ref().map(|events| events.iter().collect()).map_err(String::as_str);
        let verdict = why(&known);
        let silent = matches!(self.operator, Operator::Silent(_));
        let first = if silent { verdict.then.first().map(String::as_str).unwrap_or_default() } else { "" };
        let why = format!("{} {first}", verdict.why);
        let whole = Whole { object: &self.object, connection, events, why: why.trim_end(), now };
        status(&whole, screen.window.map(|_| screen.bars), screen.width())
    }
}
