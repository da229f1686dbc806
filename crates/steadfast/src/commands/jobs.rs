//! `steadfast jobs list | show | retry | cancel | discard`.

use super::http::Api;
use crate::cli::Jobs;
use crate::config::Config;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Runs the command against the running node.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub(super) async fn run(config: Config, command: Jobs) -> anyhow::Result<ExitCode> {
    let node = super::data_dir(&config).running_node()?;
    let api = Api::new(node.monitor()?, config.monitor.admin_token)?;
    match command {
        Jobs::List { search, state } => {
            let json = search.json;
            let mut pairs = search.pairs();
            pairs.extend(state.map(|state| ("state", state)));
            let answer = api.get(&super::http::path("/jobs", &pairs)).await?;
            if json {
                println!("{answer:#}");
            } else {
                print!("{}", listing(&answer));
            }
        }
        Jobs::Show { id } => println!("{:#}", api.get(&at(&id, "")).await?),
        Jobs::Retry { id } => println!("{:#}", api.post(&at(&id, "/retry"), &json!({})).await?),
        Jobs::Cancel { id } => println!("{:#}", api.post(&at(&id, "/cancel"), &json!({})).await?),
        Jobs::Discard { id } => println!("{:#}", api.post(&at(&id, "/discard"), &json!({})).await?),
    }
    Ok(ExitCode::SUCCESS)
}

/// The path of a job. What is no id is refused by the node.
fn at(id: &str, action: &str) -> String {
    format!("/jobs/{}{action}", super::http::segment(id))
}

/// One line for each job, and where to go on.
pub(super) fn listing(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut out = String::new();
    for job in answer["jobs"].as_array().unwrap_or(&Vec::new()) {
        let attempts = job["attempts"].as_u64().unwrap_or(0);
        let line = format!(
            "{}  {}  {}  {}  {attempts} attempts  {}  {}",
            text(&job["id"]),
            text(&job["queue"]),
            text(&job["kind"]),
            text(&job["state"]),
            text(&job["error"]),
            text(&job["message"]),
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if let Some(next) = answer["next_cursor"].as_str() {
        out.push_str(&format!("There may be more: --cursor {next}\n"));
    } else if out.is_empty() {
        out.push_str("None.\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_and_where_to_go_on() {
        let job = json!({"id": "ab", "queue": "q", "kind": "k", "state": "running", "attempts": 1});
        assert_eq!(listing(&json!({"jobs": [job], "next_cursor": null})), "ab  q  k  running  1 attempts\n");
        assert_eq!(listing(&json!({"jobs": [], "next_cursor": "7"})), "There may be more: --cursor 7\n");
        assert_eq!(listing(&json!({"jobs": [], "next_cursor": null})), "None.\n");
    }

    #[test]
    fn whatever_is_given_as_an_id_stays_one_segment() {
        assert_eq!(at("../dlq?x#y", "/retry"), "/jobs/%2E%2E%2Fdlq%3Fx%23y/retry");
    }
}
