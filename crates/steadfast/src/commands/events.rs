//! `steadfast events`: what happens, line by line.

use super::http::Api;
use crate::cli::Events;
use crate::config::Config;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Events in one answer.
const PAGE: u32 = 1_000;
/// Pages that hold all that a node keeps.
const PAGES_MAX: u32 = 10;
/// How long the node waits for the next event before it answers, in milliseconds.
const WAIT_MS: u32 = 5_000;

/// Prints what happened, and with `--follow` what happens, until it is interrupted or the node stops.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub(super) async fn run(config: Config, asked: Events) -> anyhow::Result<ExitCode> {
    let node = super::data_dir(&config).running_node()?;
    let api = Api::new(node.monitor()?, config.monitor.admin_token)?;
    let mut from =
        asked.from.clone().unwrap_or_else(|| if asked.follow { "now" } else { "oldest" }.to_owned());
    for pages in 1.. {
        let page = api.get(&format!("/events?{}", query(&asked, &from))).await?;
        if let Some(missed) = missed(&page, asked.json) {
            println!("{missed}");
        }
        let events = page["events"].as_array().cloned().unwrap_or_default();
        for event in &events {
            println!("{}", if asked.json { event.to_string() } else { line(event) });
        }
        let next = page["next_cursor"].as_str().unwrap_or_default().to_owned();
        // A page may hold nothing that was asked for, and yet not be the last. What happens meanwhile is not chased.
        if !asked.follow && (next == from || pages == PAGES_MAX) {
            break;
        }
        from = next;
    }
    Ok(ExitCode::SUCCESS)
}

fn query(asked: &Events, from: &str) -> String {
    let start = if matches!(from, "oldest" | "now") { "from" } else { "cursor" };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair(start, from).append_pair("limit", &PAGE.to_string());
    if asked.follow && start == "cursor" {
        query.append_pair("wait_ms", &WAIT_MS.to_string());
    }
    for (name, value) in [("queue", &asked.queue), ("job", &asked.job), ("kinds", &asked.kinds)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

fn missed(page: &Value, as_json: bool) -> Option<String> {
    let missed = page.get("missed").filter(|missed| !missed.is_null())?;
    if as_json {
        return Some(json!({ "missed": missed }).to_string());
    }
    let many = missed["events"].as_u64().map_or("some".to_owned(), |events| events.to_string());
    Some(format!("-- {many} events are missing here: {}", missed["why"].as_str().unwrap_or_default()))
}

fn line(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or("").to_owned();
    let mut line = format!("{}  {:<15}  {}", text("at"), text("event"), text("queue"));
    if event["job"].is_string() {
        line.push_str(&format!("  {}  attempt {}", text("job"), event["attempt"].as_u64().unwrap_or(0)));
    }
    if let Some(percent) = event["percent"].as_u64() {
        line.push_str(&format!("  {percent} %"));
    }
    if event["error"].is_string() {
        line.push_str(&format!("  {}", text("error")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_a_person_can_read() {
        let event =
            json!({"at": "T", "event": "dead", "queue": "q", "job": "ab", "attempt": 6, "error": "boom"});
        assert_eq!(line(&event), "T  dead             q  ab  attempt 6  boom");
        let event = json!({"at": "T", "event": "paused", "queue": "q"});
        assert_eq!(line(&event), "T  paused           q");
        assert_eq!(missed(&json!({"missed": null}), false), None);
        let gap = json!({"missed": {"events": 7, "why": "no longer kept"}});
        assert_eq!(missed(&gap, false).as_deref(), Some("-- 7 events are missing here: no longer kept"));
    }

    #[test]
    fn a_cursor_is_told_from_a_word() {
        let asked = Events {
            follow: true,
            from: None,
            queue: Some("a&b".into()),
            job: None,
            kinds: None,
            json: false,
        };
        assert_eq!(query(&asked, "now"), "from=now&limit=1000&queue=a%26b");
        assert_eq!(query(&asked, "0a-5"), "cursor=0a-5&limit=1000&wait_ms=5000&queue=a%26b");
    }
}
