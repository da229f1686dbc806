//! `steadfast schedules`, and `steadfast schedules put | remove`.

use super::http::{Api, segment};
use crate::cli::Schedules;
use crate::config::Config;
use anyhow::Context;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Prints the schedules of a running node, or changes one.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub(super) async fn run(config: Config, command: Option<Schedules>, json: bool) -> anyhow::Result<ExitCode> {
    let node = super::data_dir(&config).running_node()?;
    let api = Api::new(node.monitor()?, config.monitor.admin_token)?;
    let answer = match command {
        None => {
            let answer = api.get("/schedules").await?;
            if !json {
                print!("{}", table(&answer));
                return Ok(ExitCode::SUCCESS);
            }
            answer
        }
        Some(Schedules::Put { name, cron, zone, missed, queue, kind, payload }) => {
            let payload: Value = serde_json::from_str(&payload).context("--payload is no JSON")?;
            let call = json!({
                "cron": cron, "zone": zone, "missed": missed, "queue": queue, "kind": kind, "payload": payload,
            });
            api.post(&format!("/schedules/{}", segment(&name)), &call).await?
        }
        Some(Schedules::Remove { name }) => {
            api.post(&format!("/schedules/{}/remove", segment(&name)), &json!({})).await?
        }
    };
    println!("{answer:#}");
    Ok(ExitCode::SUCCESS)
}

fn table(answer: &Value) -> String {
    let schedules = answer["schedules"].as_array().map(Vec::as_slice).unwrap_or_default();
    if schedules.is_empty() {
        return "No schedules.\n".to_owned();
    }
    let word = |schedule: &Value, field: &str| schedule[field].as_str().unwrap_or("never").to_owned();
    let columns = ["name", "cron", "zone", "queue", "kind", "next_at", "last_at"];
    let mut rows = vec![columns.map(|column| column.trim_end_matches("_at").to_owned())];
    rows.extend(schedules.iter().map(|schedule| columns.map(|column| word(schedule, column))));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_a_person_can_read() {
        let one = json!({"name": "nightly", "cron": "0 3 * * *", "zone": "Asia/Kathmandu", "queue": "q",
            "kind": "tidy", "next_at": "2026-11-22T21:15:00.000Z", "last_at": null});
        let text = table(&json!({ "schedules": [one] }));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].find("cron"), lines[1].find("0 3"));
        assert!(lines[1].ends_with("never"), "{text}");
        assert_eq!(table(&json!({ "schedules": [] })), "No schedules.\n");
    }
}
