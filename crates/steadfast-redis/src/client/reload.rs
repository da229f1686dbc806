//! Other settings without a restart.

use super::connect::{call_options, making};
use super::{CallOptions, Client};
use crate::config::{Apply, Change, Checked, diff};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::node::Renewal;
use crate::retry::InvalidConfig;

impl Client {
    /// Goes on under `config`, as far as that can be done without a restart: what is looked at each time applies at once, and
    /// where a connection has to be another, connections are replaced one by one. The handles that exist keep their
    /// [`CallOptions`]; this returns those of the new configuration.
    ///
    /// # Errors
    /// Nothing is changed if `config` changes something that needs a restart (the topology, a folder): which, is said.
    pub fn reload(&self, config: &Checked) -> Result<(Change, CallOptions)> {
        let mut current = self.inner.config.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let change = diff(&current, config);
        let fixed: Vec<&str> = change
            .iter()
            .filter(|changed| changed.apply == Apply::Restart || changed.path == "hosts")
            .map(|changed| changed.path)
            .collect();
        if !fixed.is_empty() {
            let why = format!("{} cannot be changed while the client runs", fixed.join(", "));
            return Err(Error::new(ErrorKind::Validation, "RESTART", Outcome::NotSent, why)
                .advise("make another client, or leave these settings as they are"));
        }
        let making = making(config);
        let invalid = |error: InvalidConfig| {
            Error::new(ErrorKind::Validation, "CONFIG", Outcome::NotSent, error.to_string()).because(error)
        };
        // Nodes that are made from here on have them from the start.
        self.inner.making.replace(making.clone());
        for node in self.inner.router.nodes() {
            node.guard.reconfigure(&making.guard).map_err(invalid)?;
            node.dial_budget.reconfigure(&making.dials).map_err(invalid)?;
            let renewal = match (change.reconnects(), change.reauthenticates()) {
                (true, _) => Renewal::Connections,
                (false, true) => Renewal::Login,
                _ => Renewal::Nothing,
            };
            node.reconfigure(making.settings.clone(), renewal);
        }
        self.inner.vitals.reconfigure(config);
        *current = config.clone();
        Ok((change, call_options(config)))
    }
}
