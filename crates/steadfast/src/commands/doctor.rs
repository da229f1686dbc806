//! `steadfast doctor`: checks everything a node depends on, one line each, with what to do. And
//! `steadfast doctor signature`: says why a signature does not match.

use super::http::Api;
use super::{EXIT_CONFIG, data_dir, on_runtime, print_problems, read_config};
use crate::cli::{Doctor, DoctorSignature, Global};
use crate::config::{Config, NodeEnv};
use crate::wire;
use std::fmt;
use std::process::{Command, ExitCode};
use steadfast_gateway::form;
use steadfast_gateway::signature::{Payload, Seen, Verdict, VerifyInput, explain, verify};

/// What Twilio should be told besides the URL: five retries on anything, 2 s to connect, 3 s to answer.
const TWILIO_OVERRIDES: &str = "#rc=5&rp=all&ct=2000&rt=3000";
/// Free space below which a node is in danger.
const FREE_MIB_MIN: u64 = 1_024;
/// Fields looked at in a pasted body.
const FIELDS_MAX: usize = 1_000;

/// Runs the command.
pub(super) fn run(command: Option<Doctor>, global: &Global) -> anyhow::Result<ExitCode> {
    let config = match read_config(global) {
        Ok(config) => config,
        Err(problems) => {
            print_problems(&problems);
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    match command {
        Some(Doctor::Signature(args)) => signature(&config, &args),
        None => on_runtime(checkup(config)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Good,
    Note,
    Bad,
}

/// One line of the report.
struct Line {
    grade: Grade,
    what: &'static str,
    found: String,
    /// What to do; empty when all is well.
    advice: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.grade {
            Grade::Good => "ok  ",
            Grade::Note => "note",
            Grade::Bad => "BAD ",
        };
        write!(f, "{mark}  {:<14} {}", self.what, self.found)?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, "\n        {:<12} -> {}", "", self.advice) }
    }
}

fn line(grade: Grade, what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Line {
    Line { grade, what, found: found.into(), advice: advice.into() }
}

#[expect(clippy::print_stdout, reason = "the command's result")]
async fn checkup(config: Config) -> anyhow::Result<ExitCode> {
    let mut lines = vec![line(Grade::Good, "configuration", "good", "")];
    lines.push(folder(&config));
    lines.push(free_space(&config));
    lines.push(account(&config));
    lines.push(verification(&config));
    lines.push(webhook_url(&config));
    lines.extend(redis());
    lines.push(node(&config).await);
    for line in &lines {
        println!("{line}");
    }
    let bad = lines.iter().filter(|line| line.grade == Grade::Bad).count();
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn folder(config: &Config) -> Line {
    let path = config.data_dir.display();
    if !config.data_dir.exists() {
        return line(
            Grade::Note,
            "data folder",
            format!("{path} is not there yet"),
            "the first start makes it",
        );
    }
    match data_dir(config).key() {
        Ok(_) => line(Grade::Good, "data folder", format!("{path} is ours, its key is readable"), ""),
        Err(error) => line(
            Grade::Bad,
            "data folder",
            format!("{error:#}"),
            "give this user the folder, or set --data-dir",
        ),
    }
}

fn free_space(config: &Config) -> Line {
    let output = Command::new("df").arg("-Pk").arg(&config.data_dir).output();
    let text = output.ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let available =
        text.as_deref().and_then(|text| text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok());
    match available {
        None => line(Grade::Note, "disk", "free space could not be read", ""),
        Some(kib) if kib / 1_024 < FREE_MIB_MIN => {
            let found = format!("{} MiB free", kib / 1_024);
            line(Grade::Bad, "disk", found, "a full disk stops acknowledgements: free some space")
        }
        Some(kib) => line(Grade::Good, "disk", format!("{} MiB free", kib / 1_024), ""),
    }
}

fn account(config: &Config) -> Line {
    match &config.twilio {
        Some(twilio) if twilio.api_key.is_some() => {
            line(Grade::Good, "Twilio account", format!("{}, sends with an API key", twilio.account_sid), "")
        }
        Some(twilio) => line(Grade::Good, "Twilio account", twilio.account_sid.to_string(), ""),
        None => {
            let advice = "set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN for a real one";
            line(Grade::Note, "Twilio account", "none: the built-in fake Twilio is used", advice)
        }
    }
}

fn verification(config: &Config) -> Line {
    if config.gateway.enforce {
        return line(Grade::Good, "signatures", "enforced", "");
    }
    let grade = if config.node_env == NodeEnv::Production { Grade::Bad } else { Grade::Note };
    line(grade, "signatures", "observed only: anybody can post webhooks", "set gateway.signature=enforce")
}

fn webhook_url(config: &Config) -> Line {
    match &config.gateway.public_base_url {
        Some(base) => {
            let url = base.url_of(wire::WEBHOOK_PATHS[0]);
            let found = format!(
                "enter {url}{TWILIO_OVERRIDES} at Twilio, and a fallback URL on a second node if there is one"
            );
            line(Grade::Good, "webhook URL", found, "")
        }
        None => {
            let found = "gateway.public_base_url is not set: the Host header is believed";
            let grade = if config.twilio.is_some() { Grade::Bad } else { Grade::Note };
            line(grade, "webhook URL", found, "set PUBLIC_BASE_URL to the URL that Twilio uses")
        }
    }
}

/// Said only where somebody expects Redis to be used.
fn redis() -> Option<Line> {
    let names = ["REDIS_URL", "REDIS_HOST", "REDISHOST", "CELERY_BROKER_URL"];
    let name =
        names.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))?;
    let found = format!("{name} is set, but this version does not use Redis: jobs stay in the local queue");
    Some(line(Grade::Note, "Redis", found, "nothing to do: the local queue is durable"))
}

async fn node(config: &Config) -> Line {
    let advice = "start it with `steadfast serve`";
    let asked = async {
        let node = data_dir(config).running_node()?;
        Api::new(node.monitor()?, config.monitor.admin_token.clone())?.get("/health").await
    };
    match asked.await {
        Ok(health) => {
            let status = health["status"].as_str().unwrap_or("unknown").to_owned();
            let grade = if status == "healthy" { Grade::Good } else { Grade::Bad };
            let advice =
                if grade == Grade::Good { "" } else { "GET /health on the private API says which part" };
            line(grade, "running node", status, advice)
        }
        Err(error) => line(Grade::Note, "running node", error.to_string(), advice),
    }
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn signature(config: &Config, args: &DoctorSignature) -> anyhow::Result<ExitCode> {
    let key = data_dir(config).key()?;
    let secrets = wire::secrets(config, &key);
    let fields = form::parse(args.body.as_bytes(), FIELDS_MAX);
    let payload = match &fields {
        Ok(fields) if !args.body.trim_start().starts_with('{') => Payload::Form(fields),
        _ => Payload::Raw(args.body.as_bytes()),
    };
    // What follows # never leaves Twilio: it is configuration, not part of the request.
    let url = args.url.split('#').next().unwrap_or_default().to_owned();
    let settings: Vec<&str> = args.settings.iter().map(String::as_str).collect();
    let input = VerifyInput {
        urls: &[url],
        payload,
        signature: &[args.signature.as_str()],
        settings: &settings,
        secrets: &secrets,
    };
    match verify(&input) {
        Verdict::Valid(matched) => {
            println!("The signature matches: secret {}, URL spelling {:?}.", matched.label, matched.spelling);
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Invalid(failure) => {
            let seen = Seen { input, host: None, forwarded_host: None, paths: wire::WEBHOOK_PATHS };
            let explanation = explain(failure, &seen);
            println!("No: {}.", explanation.failure);
            for hint in &explanation.hints {
                println!("  - {hint}");
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
