//! The condition types, as kstatus, Flux, Argo CD and `kubectl wait` know them.

/// The summary: `True` when the last run is done and nothing is due.
pub const READY: &str = "Ready";
/// `True` when the last run completed. For `kubectl wait --for=condition=Complete`, as Job's.
pub const COMPLETE: &str = "Complete";
/// `True` when the last run failed for good, as Job's.
pub const FAILED: &str = "Failed";
/// `True` while the operator has something to do or to wait for (kstatus).
pub const RECONCILING: &str = "Reconciling";
/// `True` when nothing goes on until somebody changes something (kstatus).
pub const STALLED: &str = "Stalled";
/// `True` while starts are held.
pub const SUSPENDED: &str = "Suspended";
/// The reason of `Ready` of a connection that is ready.
pub const CONNECTED: &str = "Connected";
