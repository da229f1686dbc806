//! The way in: connections, the gate before every handler, and the table of paths.

pub(crate) mod gate;
pub(crate) mod routes;
pub(crate) mod serve;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a handler whose answer goes on and on needs of its connection.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    /// The node stops: come to an end.
    pub(crate) stop: CancellationToken,
    /// Cuts the connection.
    pub(crate) cut: CancellationToken,
    /// What serves it is waited for at the stop.
    pub(crate) tasks: TaskTracker,
}
