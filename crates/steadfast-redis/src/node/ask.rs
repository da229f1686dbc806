//! What a node is asked and told on a lane that it has.

use super::Node;
use crate::dial::credentials;
use crate::fault::Fault;
use crate::lane::Answer;
use crate::resp::Reply;
use crate::role::Role;
use redis::Value;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// `PING` and `ROLE`: whether it takes commands, and which; in a cluster whether that serves any. With the number of
/// replies.
pub(super) fn question(in_cluster: bool) -> (Vec<u8>, usize) {
    let mut questions = vec![redis::cmd("PING"), redis::cmd("ROLE")];
    if in_cluster {
        questions.push(redis::cmd("CLUSTER").arg("INFO").to_owned());
    }
    (questions.iter().flat_map(redis::Cmd::get_packed_command).collect(), questions.len())
}

/// What a node said of itself.
pub(super) struct Said {
    /// None if it did not say: it answers nothing but errors now.
    pub(super) role: Option<Role>,
    pub(super) is_loading: bool,
    pub(super) is_cut_off: bool,
    pub(super) is_cluster_down: bool,
    /// It answers, and with an error that says that it is not well: a script that runs too long, no primary.
    pub(super) is_ill: bool,
}

/// The same out of the answers.
pub(super) fn read_state(answer: Answer) -> Option<Said> {
    let Answer::Many(replies) = answer else { return None };
    let [ping, role, rest @ ..] = replies.as_slice() else { return None };
    let is_down = |reply: &Reply| match reply {
        Reply::Value(Value::BulkString(text)) => !String::from_utf8_lossy(text).contains("cluster_state:ok"),
        Reply::Value(Value::VerbatimString { text, .. }) => !text.contains("cluster_state:ok"),
        _ => false,
    };
    let is_cluster_down = rest.first().is_some_and(is_down);
    let fault = match ping {
        Reply::Error(text) => Some(Fault::classify(text)),
        _ => None,
    };
    let is_ill = fault.as_ref().is_some_and(Fault::is_ill_health);
    let role = match role {
        Reply::Value(value) => Role::of(value),
        // The command is hidden from us: what it was held for is not known to be so any more.
        _ => (!is_ill).then_some(Role::Unknown),
    };
    let (is_loading, is_cut_off) = (fault == Some(Fault::Loading), fault == Some(Fault::MasterDown));
    Some(Said { role, is_loading, is_cut_off, is_cluster_down, is_ill })
}

/// Returns when credentials were replaced; never, if that is not told.
pub(super) async fn changed(rotated: &mut Option<watch::Receiver<u64>>) {
    match rotated {
        Some(changes) => {
            if changes.changed().await.is_err() {
                *rotated = None;
            }
        }
        None => std::future::pending().await,
    }
}

/// Tells every connection the new credentials. One that is refused stays as it is: it was let in before, and the
/// server may learn of them a little later.
pub(super) async fn authenticate(node: Arc<Node>) {
    let settings = node.settings();
    let current = match tokio::time::timeout(settings.dial.timeout, credentials(&settings.dial.login)).await {
        Ok(Ok(Some(current))) => current,
        Ok(Ok(None)) => return,
        Err(_) => {
            tracing::warn!(node = &*node.name, "new credentials did not come in time");
            return;
        }
        Ok(Err(error)) => {
            tracing::warn!(node = &*node.name, %error, "new credentials could not be read");
            return;
        }
    };
    let mut auth = redis::cmd("AUTH");
    auth.arg(current.username.as_deref().unwrap_or("default")).arg(current.password.expose());
    for entry in node.lanes.look(Instant::now()) {
        let Ok(ticket) = entry.lane.offer(auth.get_packed_command(), None) else { continue };
        match ticket.wait(Instant::now() + settings.dial.timeout).await {
            Ok(Answer::One(Reply::Value(_))) => {}
            refused => tracing::warn!(
                node = &*node.name,
                refused = matches!(refused, Ok(Answer::One(Reply::Error(_)))),
                "an open connection was not let in with the new credentials; it stays, new ones will use them"
            ),
        }
    }
}
