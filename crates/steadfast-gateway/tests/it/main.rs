//! The gateway as its callers meet it: requests, sockets, faults.

mod defects;
mod explanations;
mod handling;
mod logging;
mod redaction;
mod signatures;
mod sockets;
mod support;
mod webhook_bodies;
