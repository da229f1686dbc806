//! The commands that work on a connection or on the server.

pub(super) mod cluster;
pub(super) mod connection;
pub(super) mod info;
pub(super) mod pubsub;
pub(super) mod scripts;
pub(super) mod sentinel;
pub(super) mod server;
pub(super) mod transactions;
