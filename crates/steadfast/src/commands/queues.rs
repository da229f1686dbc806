//! `steadfast queues`.

use super::http::Api;
use crate::config::Config;
use serde_json::Value;
use std::process::ExitCode;

/// Prints what every queue holds.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub(super) async fn run(config: Config, json: bool) -> anyhow::Result<ExitCode> {
    let node = super::data_dir(&config).running_node()?;
    let answer = Api::new(node.monitor()?, config.monitor.admin_token)?.get("/queues").await?;
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
        if queue["paused"].as_bool().unwrap_or(false) {
            text.push_str("  paused");
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
            {"name": "whatsapp-replies", "counts": {"available": 3, "dead": 1}, "paused": true},
        ]});
        let text = table(&answer);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("paused\n"), "{text}");
    }
}
