//! `steadfast queues`, and `steadfast queues pause | drain | resume`.

use super::http::{Api, segment};
use crate::cli::Queues;
use crate::config::Config;
use serde_json::Value;
use std::process::ExitCode;

/// Prints what every queue holds, or changes how one goes on.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub(super) async fn run(config: Config, command: Option<Queues>, json: bool) -> anyhow::Result<ExitCode> {
    let node = super::data_dir(&config).running_node()?;
    let api = Api::new(node.monitor()?, config.monitor.admin_token)?;
    let (name, action) = match command {
        None => return list(&api, json).await,
        Some(Queues::Pause { name }) => (name, "pause"),
        Some(Queues::Drain { name }) => (name, "drain"),
        Some(Queues::Resume { name }) => (name, "resume"),
    };
    let path = format!("/queues/{}", segment(&name));
    if !json {
        // How many first, then the deed.
        let counts = api.get(&format!("{path}?limit=1")).await?["counts"].clone();
        let count = |state: &str| counts[state].as_u64().unwrap_or(0);
        let waiting = count("available") + count("scheduled") + count("retryable");
        println!("{name}: {waiting} jobs wait, {} run", count("running"));
    }
    println!("{:#}", api.post(&format!("{path}/{action}"), &serde_json::json!({})).await?);
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the command's result")]
async fn list(api: &Api, json: bool) -> anyhow::Result<ExitCode> {
    let answer = api.get("/queues").await?;
    if json {
        println!("{answer:#}");
    } else {
        print!("{}", table(&answer));
    }
    Ok(ExitCode::SUCCESS)
}

const COLUMNS: [&str; 7] =
    ["available", "running", "scheduled", "retryable", "completed", "dead", "cancelled"];

fn table(answer: &Value) -> String {
    let empty = Vec::new();
    let queues = answer["queues"].as_array().unwrap_or(&empty);
    let name = |queue: &Value| queue["name"].as_str().unwrap_or("?").to_owned();
    let width = queues.iter().map(|queue| name(queue).len()).max().unwrap_or(5).max(5);
    let mut text = format!("{:width$}", "queue");
    for column in COLUMNS {
        text.push_str(&format!("  {column:>9}"));
    }
    text.push('\n');
    for queue in queues {
        text.push_str(&format!("{:width$}", name(queue)));
        for column in COLUMNS {
            let count = queue["counts"][column].as_u64().unwrap_or(0);
            text.push_str(&format!("  {count:>9}"));
        }
        if let Some(mode @ ("paused" | "draining")) = queue["mode"].as_str() {
            text.push_str(&format!("  {mode}"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_a_person_can_read() {
        let answer = serde_json::json!({"queues": [
            {"name": "whatsapp-replies", "counts": {"available": 3, "dead": 1}, "mode": "paused"},
        ]});
        let text = table(&answer);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("paused\n"), "{text}");
    }
}
