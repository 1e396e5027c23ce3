//! The controller of `ExternalCollectionRefresh`.

mod effects;
mod gate;
mod memory;
#[cfg(test)]
mod model;
mod outside;
mod own_source;
mod pass;
mod ports;
mod progress;
mod reconcile;
mod subject;
mod takeover;
mod volatile;

#[cfg(test)]
pub(super) use reconcile::pass_over;
pub(super) use reconcile::{Lifecycle, reconcile};
pub(super) use takeover::watch_over;
pub(super) use volatile::Volatile;
