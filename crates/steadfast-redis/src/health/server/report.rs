//! The servers of a deployment, checked, in words.

use super::finding::{ServerFinding, Severity};
use super::{look, review};
use crate::config::Checked;
use crate::error::{Error, Result};
use crate::node::Node;
use futures::future::join_all;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use tokio::time::Instant;

/// The servers of a deployment, checked.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ServerReport {
    /// Each server that serves data and is known.
    pub servers: Vec<ServerState>,
    #[serde(skip)]
    refusal: Option<Error>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerState {
    /// `host:port`.
    pub node: String,
    /// Its version, if it says.
    pub version: Option<String>,
    /// `primary` or `replica`, if it says.
    pub role: Option<&'static str>,
    /// Its `maxmemory-policy`, if it says.
    pub maxmemory_policy: Option<String>,
    /// What should be known, the gravest first.
    pub findings: Vec<ServerFinding>,
    /// Why it could not be asked at all, if so.
    pub unreachable: Option<String>,
}

impl ServerReport {
    /// The refusal, if the configuration says that one of these servers is not to be used.
    ///
    /// # Errors
    /// That.
    pub fn require_fit(&self) -> Result<()> {
        self.refusal.clone().map_or(Ok(()), Err)
    }

    /// The gravest finding's severity; `None` if there is none.
    pub fn severity(&self) -> Option<Severity> {
        self.servers.iter().flat_map(|server| &server.findings).map(|finding| finding.severity).max()
    }
}

/// Checks all of `nodes`.
///
/// # Errors
/// None could be asked.
pub(crate) async fn check(nodes: &[Arc<Node>], config: &Checked, deadline: Instant) -> Result<ServerReport> {
    let looked = join_all(nodes.iter().map(|node| async move { (node, look(node, deadline).await) })).await;
    let (mut servers, mut refusal, mut unreached) = (Vec::new(), None, None);
    for (node, facts) in looked {
        let facts = match facts {
            Ok(facts) => facts,
            Err(error) => {
                servers.push(ServerState::unreachable(&node.name, &error));
                unreached.get_or_insert(error);
                continue;
            }
        };
        let review = review(&facts, config);
        refusal = refusal.or(review.refusal.map(|error| error.on(&node.name)));
        let mut findings = review.findings;
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let role = facts.role.as_deref().and_then(|role| match role {
            "master" => Some("primary"),
            "slave" => Some("replica"),
            _ => None,
        });
        servers.push(ServerState {
            node: node.name.to_string(),
            version: facts.version,
            role,
            maxmemory_policy: facts.policy,
            findings,
            unreachable: None,
        });
    }
    match unreached {
        Some(error) if servers.iter().all(|server| server.unreachable.is_some()) => Err(error),
        _ => Ok(ServerReport { servers, refusal }),
    }
}

impl ServerState {
    fn unreachable(node: &str, error: &Error) -> Self {
        Self {
            node: node.to_owned(),
            version: None,
            role: None,
            maxmemory_policy: None,
            findings: Vec::new(),
            unreachable: Some(error.to_string()),
        }
    }
}

impl fmt::Display for ServerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for server in &self.servers {
            let version = server.version.as_deref().unwrap_or("of unknown version");
            writeln!(f, "{}: {}, {version}", server.node, server.role.unwrap_or("role unknown"))?;
            if let Some(error) = &server.unreachable {
                writeln!(f, "  could not be asked: {error}")?;
            }
            for finding in &server.findings {
                writeln!(f, "  {finding}")?;
            }
            if server.findings.is_empty() && server.unreachable.is_none() {
                writeln!(f, "  nothing to say")?;
            }
        }
        Ok(())
    }
}
