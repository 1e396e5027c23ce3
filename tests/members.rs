//! Says whose tests a bare `cargo test` leaves out: it runs those of the operator's own package.

fn main() {
    println!(
        "left out by `cargo test`: tests of the chart, the plugin, the control plane, the simulator and the official SDK; `make test` runs all"
    );
}
