//! How a command that is told names an object.

use milvus_refresh_operator::object::Key;

/// `NAME -n NAMESPACE`: somebody may copy the command to where another namespace is meant by default.
pub fn named(Key { namespace, name }: &Key) -> String {
    if namespace.is_empty() { name.clone() } else { format!("{name} -n {namespace}") }
}
