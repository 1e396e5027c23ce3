//! What every request to the API server obeys.

use std::time::Duration;

/// The longest that one call to the API server may take.
pub const DEADLINE: Duration = Duration::from_secs(10);
