//! Whether a server is what is expected of it: version, role, persistence, what it does when its memory is full.

mod facts;
mod finding;
mod fitness;
mod report;
mod review;

pub(crate) use facts::Facts;
pub use finding::{ServerFinding, Severity};
pub(crate) use fitness::Fitness;
pub(crate) use report::check;
pub use report::{ServerReport, ServerState};
pub(crate) use review::review;

use crate::error::Result;
use crate::node::Node;
use tokio::time::Instant;

/// Asks a node what it is.
///
/// # Errors
/// It cannot be reached, or does not answer by `deadline`.
pub(crate) async fn look(node: &Node, deadline: Instant) -> Result<Facts> {
    let (packed, count) = facts::question();
    Facts::read(node.send(packed, Some(count), false, deadline).await)
}
