//! The server's protocol, both versions: replies out of bytes as they arrive.
//!
//! Commands are encoded by the `redis` crate ([`redis::Cmd`]); values are its [`redis::Value`]. Replies are
//! decoded here, because three things are needed that its codec does not give: a bound on a reply's size that
//! costs the caller its reply and not the connection, work in proportion to what arrived, and nothing
//! allocated because a length says so.

mod decode;
mod line;

pub(crate) use decode::{Decoder, ProtocolError, Reply};
