//! Looks at sources, outside of Milvus: what there is to ask, and what a look has found.

mod port;

pub use port::{Blind, BlindReason, Plan, Sight, Sighting, What};
