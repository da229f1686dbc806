//! The worker runtime on the reference back-end, on virtual time. Numbers in test names are those of the
//! fault scenarios listed in the crate's README.

mod adaptive;
mod durable;
mod faults;
mod leases;
mod maintenance;
mod reports;
mod rig;
mod running;
mod stopping;
mod suspects;
