//! The scenarios. Each starts what it needs, and can be run alone.

pub mod active;
pub mod burst;
pub mod created;
pub mod crowd;
pub mod growth;
pub mod large;
pub mod neighbour;
pub mod polls;
pub mod rest;
pub mod short;
pub mod single;
pub mod start;
pub mod verified;
pub mod watched;
pub mod writes;
