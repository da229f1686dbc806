//! What is done to the bytes of a connection.

use std::time::Duration;

/// How a connection ends when it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It stays open, is acknowledged, and nothing passes any more.
    Stall,
    /// It is closed in good order (FIN).
    Close,
    /// It is torn down (RST).
    Reset,
}

/// What is done to the bytes of a connection; parts can be combined. Taken back by [`Shape::pass`], save for a black
/// hole, which nothing comes back from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    pub(super) hole: bool,
    pub(super) frozen: bool,
    pub(super) to_server_after: Duration,
    pub(super) to_client_after: Duration,
    pub(super) bytes_per_s: Option<u64>,
    pub(super) cut: Option<(u64, End)>,
}

impl Shape {
    /// Everything passes as it comes.
    pub fn pass() -> Self {
        Self::default()
    }

    /// Everything is acknowledged and swallowed in both directions, the end of the connection too: half-open. What went
    /// in is lost, so a connection cannot be brought back from it.
    pub fn black_hole() -> Self {
        Self { hole: true, ..Self::default() }
    }

    /// Nothing passes for as long as it holds; then everything does. The peers' systems acknowledge what fits into
    /// their buffers.
    pub fn freeze() -> Self {
        Self { frozen: true, ..Self::default() }
    }

    /// The request passes, and the connection is closed as soon as the first byte of a reply comes: the server has
    /// executed, the client does not know.
    pub fn lose_reply() -> Self {
        Self::default().cut_after(0, End::Close)
    }

    /// Bytes arrive so much later in each direction, however many they are.
    #[must_use]
    pub fn delayed(self, to_server: Duration, to_client: Duration) -> Self {
        Self { to_server_after: to_server, to_client_after: to_client, ..self }
    }

    /// No more than so many bytes pass in a second, in each direction; at least 1.
    #[must_use]
    pub fn throttled(self, bytes_per_s: u64) -> Self {
        Self { bytes_per_s: Some(bytes_per_s.max(1)), ..self }
    }

    /// So many bytes pass from the server to the client, counted from when this is set; then the connection ends so.
    /// With 0 it ends when the first byte would have passed.
    #[must_use]
    pub fn cut_after(self, reply_bytes: u64, end: End) -> Self {
        Self { cut: Some((reply_bytes, end)), ..self }
    }
}

/// What a connection is told from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Orders {
    pub(super) shape: Shape,
    /// Counts the orders: a cut counts its bytes anew with each.
    pub(super) number: u64,
    /// Ends it.
    pub(super) end: Option<End>,
}
