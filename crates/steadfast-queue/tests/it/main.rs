//! Integration tests of the queue.

mod backend;
mod typed;
mod worker;
