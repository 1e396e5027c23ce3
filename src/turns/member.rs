//! Who takes turns.

use crate::{object::Key, refresh::Desired};

/// A refresh that takes turns with others.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its uid.
    pub uid: &'a str,
    /// Its name.
    pub key: &'a Key,
    /// The connection that it goes through.
    pub connection: &'a Key,
    /// What is wanted of it.
    pub want: &'a Desired,
}
