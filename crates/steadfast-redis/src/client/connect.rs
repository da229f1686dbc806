//! A client out of a checked configuration.

use super::numbers::{backoff, making, ms};
use super::{CallOptions, Client, Manner, Parts};
use crate::config::{Checked, Config, ReadPreference, Topology};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::limiter::Class;
use crate::retry::InvalidConfig;
use crate::route::{NodeMaker, Router, SharedMaking};
use crate::time::TokioClock;
use crate::vitals::{Vitals, collect};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

impl Client {
    /// A client for what `url` says; see [`crate::config`] for URLs and their options.
    ///
    /// It returns at once: connections are made by its tasks, and calls wait for them until their deadlines. Use
    /// [`Client::ping`] to know whether the server can be reached.
    ///
    /// # Errors
    /// Everything that is wrong with the URL, at once. Must be called within a Tokio runtime.
    pub fn open(url: &str) -> Result<Self> {
        let checked = Config::from_url(url).and_then(|config| config.validate());
        let checked = checked.map_err(|problems| {
            Error::new(ErrorKind::Validation, "CONFIG", Outcome::NotSent, problems.to_string())
                .because(problems)
        })?;
        Self::connect(&checked)
    }

    /// A client for a checked configuration. Returns at once, as [`Client::open`].
    ///
    /// # Errors
    /// A setting that only its user can check (a retry's times).
    pub fn connect(config: &Checked) -> Result<Self> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let vitals = Vitals::new(config, TokioClock::shared());
        let maker = NodeMaker {
            making: SharedMaking::new(making(config)),
            vitals: Arc::clone(&vitals),
            trouble: Arc::default(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        let router = Router::start(config, &maker)?;
        tasks.spawn(collect(Arc::clone(&vitals), stop.clone()));
        let manner = manner(config).map_err(invalid)?;
        Ok(Self::of(Parts {
            router,
            manner,
            making: maker.making,
            config: config.clone(),
            vitals,
            tasks,
            stop,
            options: call_options(config),
        }))
    }
}

/// How calls are repeated and subscriptions kept.
pub(super) fn manner(config: &Checked) -> Result<Manner, InvalidConfig> {
    Ok(Manner {
        pause: backoff(config)?,
        attempts_max: config.retry.attempts_max,
        redirects_max: config.cluster.redirects_max,
        heartbeat: ms(config.pubsub.heartbeat_ms),
        buffer_max: config.pubsub.buffer_max as usize,
    })
}

pub(super) fn invalid(error: InvalidConfig) -> Error {
    Error::new(ErrorKind::Validation, "CONFIG", Outcome::NotSent, error.to_string()).because(error)
}

/// What calls ask for unless their handle says otherwise.
pub(super) fn call_options(config: &Checked) -> CallOptions {
    let read_from = match config.topology() {
        Topology::Standalone { .. } => ReadPreference::Primary,
        _ => config.connection.read_preference,
    };
    let timeout = ms(config.connection.command_timeout_ms);
    CallOptions { timeout, read_from, priority: Class::Normal, answer_is_ignored: false }
}
