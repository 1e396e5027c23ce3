//! A bare control plane: prints the address and the kubeconfig and lasts until its standard input ends.

use std::io;

fn main() -> anyhow::Result<()> {
    let control_plane = controlplane::ControlPlane::start()?;
    println!("url: {}", control_plane.url());
    println!("kubeconfig: {}", control_plane.kubeconfig().display());
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
