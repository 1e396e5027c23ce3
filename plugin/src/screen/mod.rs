//! Lines, tables, bars and the live view: what stands where, in which tone. Nothing here knows a cluster.

mod age;
mod bar;
mod line;
mod live;
mod print;
mod table;
mod wrap;

pub use age::{age, ahead, duration, stamp};
pub use bar::{Bars, bar};
pub use line::{Line, Span, Tone, printable, width};
pub use live::{Heard, View, follow};
pub use print::{Screen, lines};
pub use table::{Column, Table};
pub use wrap::{stale, wrapped};
