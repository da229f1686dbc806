//! Other settings without a restart.

use super::connect::{call_options, invalid, manner};
use super::{CallOptions, Client, making};
use crate::config::{Apply, Change, Checked, diff};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::node::Renewal;
use std::sync::PoisonError;

impl Client {
    /// Goes on under `config`, as far as that can be done without a restart: what is looked at each time applies at once, and
    /// where a connection has to be another, connections are replaced one by one. The handles that exist keep their
    /// [`CallOptions`]; this returns those of the new configuration.
    ///
    /// # Errors
    /// Nothing is changed if `config` changes something that needs a restart (the topology, a folder): which, is said.
    pub fn reload(&self, config: &Checked) -> Result<(Change, CallOptions)> {
        let mut current = self.inner.config.lock().unwrap_or_else(PoisonError::into_inner);
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
        // All that may be wrong with the numbers is found before anything is changed.
        let (making, manner) = (making(config), manner(config).map_err(invalid)?);
        // Nodes that are made from here on have them from the start.
        self.inner.making.replace(making.clone());
        *self.inner.manner.write().unwrap_or_else(PoisonError::into_inner) = manner;
        let renewals = (of_data(&change), of_sentinels(&change));
        self.inner.router.reconfigure(config, &making, renewals).map_err(invalid)?;
        self.inner.vitals.reconfigure(config);
        *current = config.clone();
        Ok((change, call_options(config)))
    }
}

/// What becomes of connections to servers that hold data.
fn of_data(change: &Change) -> Renewal {
    let mut others = change.iter().filter(|changed| !is_of_sentinels(changed.path));
    if others.any(|changed| changed.apply == Apply::Reconnect) {
        Renewal::Connections
    } else if change.reauthenticates() {
        Renewal::Login
    } else {
        Renewal::Nothing
    }
}

/// What becomes of connections to sentinels. They have a login of their own, and all else in common.
fn of_sentinels(change: &Change) -> Renewal {
    match change.reconnects() {
        true => Renewal::Connections,
        false => Renewal::Nothing,
    }
}

fn is_of_sentinels(path: &str) -> bool {
    path.starts_with("sentinel.")
}
