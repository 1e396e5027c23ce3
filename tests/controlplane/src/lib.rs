//! A real control plane for the demo, the tests and the benchmarks: etcd and kube-apiserver as plain child processes
//! on loopback ports, in a folder of their own, gone when their owner is gone.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let control_plane = controlplane::ControlPlane::start()?;
//! control_plane.kubectl_ok(&["create", "namespace", "shop"])?;
//! # Ok(())
//! # }
//! ```
//!
//! There is no controller manager: nothing collects garbage, fills namespaces or finishes their deletion.

mod audit;
mod binaries;
mod folder;
mod kept;
mod port;
mod process;
mod program;
mod server;
mod spawn;
mod versitygw;

pub use audit::AuditLine;
pub use binaries::Binaries;
pub use kept::kept;
pub use port::Port;
pub use process::Process;
pub use program::{Program, cache};
pub use server::{Backup, ControlPlane};
pub use spawn::output;
pub use versitygw::{VERSITYGW, versitygw};
