//! The built binary, end to end: real processes, real HTTP, real kills.

mod chaos;
mod disk;
mod journeys;
mod kill;
mod service;
mod support;
