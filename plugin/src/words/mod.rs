//! What is said about an object, computed from it, the time and nothing else.

mod past;
mod row;
mod state;

pub use past::past_runs;
pub use row::{Row, columns};
