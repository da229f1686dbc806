//! `steadfast fake-twilio`: the fake Twilio in a process of its own.

use crate::cli::FakeTwilio as Args;
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::node::DataDir;
use crate::wire;
use anyhow::Context;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use steadfast_core::SystemClock;
use tokio::net::TcpListener;

/// Serves until told to stop.
#[expect(clippy::print_stdout, reason = "where to point the browser")]
pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<ExitCode> {
    crate::telemetry::start_logs(&config.log_level, config.log_format)?;
    let lifecycle = Lifecycle::default();
    lifecycle.watch_signals()?;
    let port = args.port.or(config.fake_twilio.map(|fake| fake.port)).unwrap_or(3_080);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener =
        listener.with_context(|| format!("cannot listen on 127.0.0.1:{port}; choose another --port"))?;
    let webhook_url = match args.webhook_url {
        Some(url) => url,
        None => wire::default_webhook_url(&config)?,
    };
    let key = DataDir::open(&config.data_dir)?.key()?;
    let fake = wire::fake_twilio(&config, &key, &webhook_url, SystemClock::shared())?;
    println!("http://{}", listener.local_addr().context("the listener has no address")?);
    fake.serve(listener, lifecycle.stop.clone()).await;
    lifecycle.abort.cancel();
    lifecycle.tasks.close();
    lifecycle.tasks.wait().await;
    Ok(ExitCode::SUCCESS)
}
