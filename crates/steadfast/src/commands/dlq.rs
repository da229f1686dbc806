//! `steadfast dlq list | retry | discard`.

use super::http::Api;
use crate::cli::Dlq;
use crate::config::Config;
use anyhow::bail;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Runs the command against the running node.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub(super) async fn run(config: Config, command: Dlq) -> anyhow::Result<ExitCode> {
    let node = super::data_dir(&config).running_node()?;
    let api = Api::new(node.monitor()?, config.monitor.admin_token)?;
    match command {
        Dlq::List { queue, error, json } => {
            let answer = api.get(&format!("/dlq?{}", query(queue, error))).await?;
            if json {
                println!("{answer:#}");
            } else {
                print!("{}", listing(&answer));
            }
        }
        Dlq::Retry { ids, all } => {
            if ids.is_empty() && !all {
                bail!("name the jobs to retry, or say --all");
            }
            let body = if all { json!({"retryAll": true}) } else { json!({"jobIds": ids}) };
            println!("{:#}", api.post("/dlq/retry", &body).await?);
        }
        Dlq::Discard { ids } => println!("{:#}", api.post("/dlq/discard", &json!({"jobIds": ids})).await?),
    }
    Ok(ExitCode::SUCCESS)
}

fn query(queue: Option<String>, error: Option<String>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(queue.map(|queue| ("queue", queue)));
    query.extend_pairs(error.map(|error| ("error", error)));
    query.finish()
}

fn listing(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let total = answer["total"].as_u64().unwrap_or(0);
    let mut out = match total {
        0 => return "No dead letters.\n".to_owned(),
        1 => "1 dead letter\n".to_owned(),
        more => format!("{more} dead letters\n"),
    };
    for job in answer["jobs"].as_array().unwrap_or(&Vec::new()) {
        let attempts = job["attempts"].as_u64().unwrap_or(0);
        out.push_str(&format!(
            "{}  {}  {}  {attempts} attempts  {}\n",
            text(&job["id"]),
            text(&job["queue"]),
            text(&job["error"]),
            text(&job["message"]),
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_comes_first() {
        assert_eq!(listing(&json!({"total": 0})), "No dead letters.\n");
        let one = json!({"total": 1, "jobs": [{"id": "ab", "queue": "q", "error": "boom", "attempts": 6}]});
        assert!(listing(&one).starts_with("1 dead letter\nab  q  boom  6 attempts"));
    }
}
