//! The phases of a run, one file each: what a decision does where the run stands.
//!
//! * `due`: what makes a run due, and what it captures; `waiting`: suspended, backing off, too late; `in_line`: others go first.
//! * `claim`: from due to an accepted start; `proof`: which claims are proven over; `find`: a start whose outcome is unknown.
//! * `track`: from an accepted start to the end of its job.
//! * `ending`: success, another attempt, failure, and what becomes of the object; `letting_go`: nothing can come of it any more.

pub(super) mod claim;
pub(super) mod due;
pub(super) mod ending;
pub(super) mod find;
pub(super) mod in_line;
pub(super) mod letting_go;
pub(super) mod proof;
pub(super) mod track;
pub(super) mod waiting;
