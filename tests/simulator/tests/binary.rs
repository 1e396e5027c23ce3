//! The binary `milvus-simulator` as other programs start and stop it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

/// Ends with the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-simulator"));
    command.args(arguments).env_remove("MILVUS_SIMULATOR_USER").env_remove("MILVUS_SIMULATOR_PASSWORD");
    command
}

/// A running simulator and its address.
fn start(arguments: &[&str]) -> (Process, String) {
    let mut process = Process(command(arguments).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("milvus-simulator listening on http://").expect(&line);
    (process, address.trim_end().to_owned())
}

fn ends_with_zero_on(signal: &str) {
    let (mut process, address) = start(&["--listen", "127.0.0.1:0", "--collection", "products"]);
    let connection = TcpStream::connect(&address).expect("a listening port");
    let pid = process.0.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    assert_eq!(process.0.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(&address).is_err(), "the port outlived the process");
    drop(connection);
}

#[test]
fn it_prints_its_address_and_ends_on_sigterm() {
    ends_with_zero_on("-TERM");
}

#[test]
fn it_prints_its_address_and_ends_on_sigint() {
    ends_with_zero_on("-INT");
}

#[test]
fn all_flags_go_together() {
    start(&[
        "--listen=127.0.0.1:0",
        "--seed=7",
        "--user=root",
        "--password=Milvus",
        "--server-version=3.0.0",
        "--too-old",
        "--collection=products,database=sales,duration=500ms,pending=1m30s,source=s3://b/p/",
        "--collection=orders,rows=20,batch=2026-11-25,served-after=3s,not-loaded",
        "--collection=broken,fail=explore external files failed: access denied, twice",
        "--collection=plain,not-external",
    ]);
}

#[test]
fn bad_flags_end_it_with_a_message_that_names_them() {
    for (arguments, text) in [
        (["--collection", "products,colour=red"], "\"colour=red\" is none of database="),
        (["--collection", ",duration=1s"], "the collection has no name"),
        (["--collection", "products,duration=soon"], "\"soon\" is not a duration such as 20s"),
        (["--collection", "products,duration=-1s"], "\"-1s\" is negative"),
        (["--collection", "products,rows=many"], "\"many\" is no number of rows"),
        (["--user", "root"], "--password"),
        (["--listen", "nowhere"], "nowhere"),
    ] {
        let output = command(&arguments).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(text), "{arguments:?}: {message}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let (_first, address) = start(&["--listen", "127.0.0.1:0"]);
    let output = command(&["--listen", &address]).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains(&format!("cannot listen on {address}")), "{message}");
}
