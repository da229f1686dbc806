//! The binary. Everything is in the library beside it.

use std::process::ExitCode;

/// Most memory is taken by one thread and given back by another: a message by the gateway, and by the queue's writer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    steadfast::run()
}
