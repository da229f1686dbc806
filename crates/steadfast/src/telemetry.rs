//! Logs and metrics of the process.
//!
//! Logs go to standard error: text on a terminal, one JSON object per line elsewhere. Nothing private
//! reaches them: addresses are redacted by their type, texts and secrets are never passed to a log call.

use crate::config::LogFormat;
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging. Call once.
pub(crate) fn start_logs(level: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter: EnvFilter = level.parse().with_context(|| format!("cannot read the log level {level:?}"))?;
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
