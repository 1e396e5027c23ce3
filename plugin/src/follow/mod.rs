//! Waits for runs, by watches: which run, how it goes, and how it ended.

mod awaited;
mod limit;
mod party;
mod progress;
mod watch;

pub use awaited::{Awaited, Request};
pub use limit::Limit;
pub use party::Party;
pub use progress::holds;
pub use watch::{Scope, follow};
