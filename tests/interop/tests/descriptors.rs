//! Our trimmed proto says nothing that the official one does not say: same names, numbers, types and calls.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use prost_reflect::{
    Cardinality, DescriptorPool, FieldDescriptor, Kind, MessageDescriptor,
    prost_types::{
        FieldDescriptorProto, FileDescriptorProto,
        field_descriptor_proto::{Label, Type},
    },
};

/// One line for each declaration below `milvus.proto`, complete enough that equal lines mean an equal wire.
fn declarations(pool: &DescriptorPool) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for message in pool.all_messages() {
        lines.insert(format!("message {}", message.full_name()));
        lines.extend(message.fields().map(|field| field_line(&message, &field)));
    }
    for kind in pool.all_enums() {
        lines.insert(format!("enum {}", kind.full_name()));
        lines.extend(
            kind.values().map(|value| format!("enum {}: {} = {}", kind.full_name(), value.name(), value.number())),
        );
    }
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        lines.insert(format!(
            "rpc {}({}{}) returns ({}{})",
            method.full_name(),
            if method.is_client_streaming() { "stream " } else { "" },
            method.input().full_name(),
            if method.is_server_streaming() { "stream " } else { "" },
            method.output().full_name()
        ));
    }
    lines.retain(|line| !line.contains("google.protobuf."));
    lines
}

fn field_line(message: &MessageDescriptor, field: &FieldDescriptor) -> String {
    let label = match field.cardinality() {
        _ if field.is_map() => "map",
        Cardinality::Repeated if field.is_packed() => "repeated packed",
        Cardinality::Repeated => "repeated",
        _ if field.supports_presence() => "with presence",
        _ => "plain",
    };
    let kind = match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(kind) => kind.full_name().to_owned(),
        scalar => format!("{scalar:?}"),
    };
    format!("message {}: {label} {kind} {} = {}", message.full_name(), field.name(), field.number())
}

fn pool(folder: &Path) -> DescriptorPool {
    DescriptorPool::from_file_descriptor_set(protox::compile(["milvus.proto"], [folder]).unwrap()).unwrap()
}

fn ours() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto")
}

/// In the sources of the official SDK, wherever cargo keeps them.
fn official() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let sdk = packages.iter().find(|package| package["name"] == "milvus-sdk-rust").expect("the SDK in the graph");
    Path::new(sdk["manifest_path"].as_str().unwrap()).with_file_name("milvus-proto").join("proto")
}

/// The declarations of `ours` that `official` lacks.
fn differences(ours: &DescriptorPool, official: &DescriptorPool) -> Vec<String> {
    let official = declarations(official);
    let missing = declarations(ours).into_iter().filter(|line| !official.contains(line));
    missing.map(|line| format!("we declare, and the official proto does not: {line}")).collect()
}

#[test]
fn every_declaration_of_ours_is_official() {
    let (ours, official) = (pool(&ours()), pool(&official()));
    assert!(declarations(&ours).len() > 50, "our proto was not read");
    let differences = differences(&ours, &official);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

type Change = fn(&mut FileDescriptorProto);

/// A field to change.
fn identifier(file: &mut FileDescriptorProto) -> &mut FieldDescriptorProto {
    let message = file.message_type.iter_mut().find(|message| message.name() == "ConnectResponse").unwrap();
    message.field.iter_mut().find(|field| field.name() == "identifier").unwrap()
}

#[test]
fn each_kind_of_difference_is_reported() {
    let official = pool(&ours());
    let changes: [(&str, Change); 6] = [
        ("ConnectResponse: plain int64 identifier = 99", |file| identifier(file).number = Some(99)),
        ("ConnectResponse: plain int64 renamed = 3", |file| {
            let field = identifier(file);
            field.name = Some("renamed".into());
            field.json_name = None;
        }),
        ("ConnectResponse: plain uint64 identifier = 3", |file| identifier(file).set_type(Type::Uint64)),
        ("ConnectResponse: repeated packed int64 identifier = 3", |file| identifier(file).set_label(Label::Repeated)),
        ("RefreshFailed = 7", |file| {
            file.enum_type[0].value.iter_mut().find(|value| value.name() == "RefreshFailed").unwrap().number = Some(7);
        }),
        ("returns (milvus.proto.milvus.ConnectRequest)", |file| {
            let method = file.service[0].method.iter_mut().find(|method| method.name() == "GetVersion").unwrap();
            method.output_type = Some(".milvus.proto.milvus.ConnectRequest".into());
        }),
    ];
    for (reported, change) in changes {
        let mut files = protox::compile(["milvus.proto"], [ours()]).unwrap();
        change(files.file.iter_mut().find(|file| file.name() == "milvus.proto").unwrap());
        let changed = DescriptorPool::from_file_descriptor_set(files).unwrap();
        let [difference] = &differences(&changed, &official)[..] else { panic!("{reported}: not one difference") };
        assert!(difference.ends_with(reported), "{difference} does not end with {reported}");
    }
}
