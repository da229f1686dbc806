//! The gateway as its callers meet it: requests, sockets, faults.

mod defects;
mod explanations;
mod floods;
mod framing;
mod handling;
mod hostile_forms;
mod logging;
mod redaction;
mod signatures;
mod slow_clients;
mod sockets;
mod support;
mod webhook_bodies;
