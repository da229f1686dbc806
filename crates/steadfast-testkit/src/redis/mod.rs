//! Real Redis processes for tests: servers, replication, sentinels, a cluster, certificates.
//!
//! Everything runs from the installed `redis-server` and `redis-sentinel` programs on ports of its own, in a
//! temporary folder of its own, and ends with its handle. No system service is touched and port 6379 is never
//! used. Conditions are polled with a deadline.
//!
//! The codec and the small client here are written for the tests alone: they share no code with the crate under
//! test, so that a mistake in one cannot hide in the other.

mod certificates;
mod client;
mod cluster;
mod port;
mod replicated;
mod resp;
mod sentinels;
mod server;

pub use certificates::{Certificates, TlsFiles};
pub use client::{Connection, Stream};
pub use cluster::{Cluster, Migration};
pub use port::free_port;
pub use replicated::Replicated;
pub use resp::{Protocol, Reply, Request, command_bytes, decode_reply, decode_request, encode_reply};
pub use sentinels::Sentinels;
pub use server::{Builder, ClientCertificates, Server};
