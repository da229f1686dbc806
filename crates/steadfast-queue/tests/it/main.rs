//! Integration tests of the queue.

mod worker;
