fn main() {
    print!("{}", milvus_refresh_operator::api::crds_yaml().unwrap());
}
