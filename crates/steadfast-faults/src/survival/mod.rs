//! The survival run: the example `quickstart` of `steadfast-redis`, a process of its own with that crate alone inside, and
//! everything that can happen to its Redis, one after the other.
//!
//! It is a program like any user's: what it says of itself each second, on its standard output, is all that is known of it.

mod line;
mod scenes;
mod watched;

pub use scenes::{run, sentinels, standalone};
pub use watched::{Verdict, Watched};
