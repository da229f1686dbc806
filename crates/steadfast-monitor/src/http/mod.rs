//! The way in: connections, the gate before every handler, and the table of paths.

pub(crate) mod gate;
pub(crate) mod routes;
pub(crate) mod serve;
