//! Enums whose list of variants is complete by construction.

/// An enum that knows all its variants, so that no list of them can be incomplete.
macro_rules! complete {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$meaning:meta])* $variant:ident,)* }) => {
        $(#[$about])*
        pub enum $name { $($(#[$meaning])* $variant,)* }

        impl $name {
            /// Every one, in the order of their declaration.
            pub const ALL: [Self; [$(stringify!($variant)),*].len()] = [$(Self::$variant),*];
        }
    };
}
pub(crate) use complete;
