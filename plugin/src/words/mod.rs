//! What is said about an object, computed from it, the time and nothing else.

mod change;
mod eta;
mod page;
mod past;
mod row;
mod state;
pub mod status;
pub mod why;

pub use change::change;
pub use page::page;
pub use past::past_runs;
pub use row::{Row, columns};
pub use state::condition;
use state::state;
