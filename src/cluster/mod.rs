//! All that speaks to the API server: the client, the watches and what they keep, the one way in which a status is written,
//! and Events.

pub mod client;
pub mod events;
pub mod lists;
mod metadata;
pub mod packed;
pub mod request;
pub mod restored;
pub mod status;
pub mod store;
pub mod watch;
