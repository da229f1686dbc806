//! Integration tests of the queue.

mod backend;
mod worker;
