//! `steadfast dlq list | errors | retry | discard`.

use super::http::{Api, path};
use super::jobs;
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
        Dlq::List(search) => {
            let json = search.json;
            let answer = api.get(&path("/dlq", &search.pairs())).await?;
            if json {
                println!("{answer:#}");
            } else {
                print!("{}", listing(&answer));
            }
        }
        Dlq::Errors { queue, json } => {
            let pairs: Vec<_> = queue.map(|queue| ("queue", queue)).into_iter().collect();
            let answer = api.get(&path("/dlq/errors", &pairs)).await?;
            if json {
                println!("{answer:#}");
            } else {
                print!("{}", errors(&answer));
            }
        }
        Dlq::Retry { ids, all: false, .. } => {
            if ids.is_empty() {
                bail!("name the jobs to retry, or say --all");
            }
            println!("{:#}", api.post("/dlq/retry", &json!({"jobIds": ids})).await?);
        }
        Dlq::Retry { queue, error, dry_run, .. } => {
            let mut body = json!({"retryAll": true, "queue": queue, "error": error, "dryRun": true});
            // How many first, then the deed.
            let counted = api.post("/dlq/retry", &body).await?;
            println!("{}", counted_line(counted["remaining"].as_u64().unwrap_or(0)));
            if !dry_run {
                body["dryRun"] = json!(false);
                println!("{:#}", api.post("/dlq/retry", &body).await?);
            }
        }
        Dlq::Discard { ids } => {
            println!("{:#}", api.post("/dlq/discard", &json!({"jobIds": ids})).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn counted_line(total: u64) -> String {
    match total {
        0 => "No dead letters.".to_owned(),
        1 => "1 dead letter".to_owned(),
        more => format!("{more} dead letters"),
    }
}

fn listing(answer: &Value) -> String {
    let total = answer["total"].as_u64().unwrap_or(0);
    let first = counted_line(total);
    if total == 0 { format!("{first}\n") } else { format!("{first}\n{}", jobs::listing(answer)) }
}

fn errors(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut out = format!("{}\n", counted_line(answer["total"].as_u64().unwrap_or(0)));
    let groups = answer["groups"].as_array().cloned().unwrap_or_default();
    for group in &groups {
        let count = group["count"].as_u64().unwrap_or(0);
        let (queue, error) = (text(&group["queue"]), text(&group["error"]));
        out.push_str(&format!(
            "{count:>9}  {queue}  {error}  {} to {}\n",
            text(&group["first_at"]),
            text(&group["last_at"])
        ));
    }
    let left = answer["groups_total"].as_u64().unwrap_or(0).saturating_sub(groups.len() as u64);
    if left > 0 {
        out.push_str(&format!("and {left} more kinds of errors\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_comes_first() {
        assert_eq!(listing(&json!({"total": 0})), "No dead letters.\n");
        let one = json!({"total": 1, "jobs": [{"id": "ab", "queue": "q", "kind": "k", "state": "dead", "error": "boom",
            "attempts": 6}]});
        assert!(
            listing(&one).starts_with("1 dead letter\nab  q  k  dead  6 attempts  boom"),
            "{}",
            listing(&one)
        );
        let groups = json!({"total": 8, "groups_total": 3, "groups": [
            {"queue": "q", "error": "boom", "count": 7, "first_at": "A", "last_at": "B"}]});
        assert_eq!(
            errors(&groups),
            "8 dead letters\n        7  q  boom  A to B\nand 2 more kinds of errors\n"
        );
    }
}
