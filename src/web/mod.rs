//! Requests to servers that the owner of a connection names: over the TLS stack that kube brings, without proxies, redirects,
//! retries or a look at the environment, and never to where clouds keep the credentials of nodes.
//!
//! What goes wrong is told without a word of what the server said.

mod address;
mod client;
#[cfg(test)]
pub(crate) mod liar;
mod pause;
mod tls;

pub(crate) use address::{check, encoded, host_of};
pub(crate) use client::{Body, Failure, Http};
pub(crate) use pause::retry_after;
