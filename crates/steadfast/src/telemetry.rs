//! Logs and metrics of the process.
//!
//! Logs go to standard error: text on a terminal, one JSON object per line elsewhere. Nothing private
//! reaches them: addresses are redacted by their type, texts and secrets are never passed to a log call.

use crate::config::LogFormat;
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use std::io::IsTerminal;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. Call once.
pub(crate) fn start_logs(level: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = filter(level).with_context(|| format!("cannot read the log level {level:?}"))?;
    let on_terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !on_terminal,
    };
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        let layer = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(std::io::stderr);
        registry.with(layer).try_init()
    } else {
        let layer = tracing_subscriber::fmt::layer().with_ansi(on_terminal).with_writer(std::io::stderr);
        registry.with(layer).try_init()
    }
    .context("cannot start logging")
}

/// A level, or several separated by commas, each but one with the target that it is for: `info,steadfast_queue=debug`.
/// `None` if it is neither.
pub(crate) fn filter(text: &str) -> Option<Targets> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    parts.iter().all(|part| is_directive(part)).then(|| parts.join(",").parse().ok())?
}

/// Stricter than [`Targets`], for which a lone word that is no level is a target of which everything is wanted, and a
/// span is a target that nobody has.
fn is_directive(text: &str) -> bool {
    let (target, level) = text.split_once('=').map_or((None, text), |(target, level)| (Some(target), level));
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.'))
    };
    target.is_none_or(is_name) && !level.is_empty() && level.parse::<LevelFilter>().is_ok()
}

/// Installs the metrics recorder of the process. Call once.
pub(crate) fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let builder = steadfast_monitor::recorder_builder().context("cannot prepare the metrics recorder")?;
    let handle = builder.install_recorder().context("cannot install the metrics recorder")?;
    steadfast_queue::metrics::describe();
    steadfast_gateway::metrics::describe();
    steadfast_bot::metrics::describe();
    // Last: where two name one family, the monitor's words count.
    steadfast_monitor::metrics::register_all();
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_filter_is_a_level_or_levels_of_targets() {
        let some = filter("warn,steadfast_queue=debug").expect("reads");
        assert!(some.would_enable("steadfast_queue::worker", &Level::DEBUG));
        assert!(!some.would_enable("steadfast_gateway", &Level::INFO));
        assert!(filter("INFO").expect("reads").would_enable("anything", &Level::INFO));
        let spaced = filter("warn, steadfast_queue=debug").expect("reads");
        assert!(spaced.would_enable("steadfast_queue", &Level::DEBUG));
        for wrong in
            ["", "loud", "info,", "a=", "a=loud", "steadfast_queue", "=info", "[span]=info", "a[b{c=d}]=info"]
        {
            assert!(filter(wrong).is_none(), "{wrong:?}");
        }
    }
}
