//! What the oracle says.

/// What must not be.
pub type Breach = String;
