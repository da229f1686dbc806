//! The built binary, end to end: real processes, real HTTP, real kills.

mod disk;
mod journeys;
mod kill;
mod service;
mod support;
