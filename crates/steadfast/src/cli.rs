//! The command line.

mod operate;

pub(crate) use operate::{Dlq, Events, Jobs, Queues, Schedules};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Messaging backend for WhatsApp bots on Twilio that keeps its promises while the things under it fail.
///
/// Without a command: `serve`.
#[derive(Debug, Parser)]
#[command(name = "steadfast", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What all commands understand.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// Configuration file (TOML) [default: ./steadfast.toml if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the queue, the records and generated keys
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Set any setting, e.g. --set workers.orders=6 (see `steadfast config show`)
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
}

impl Global {
    /// The settings given by flags.
    pub(crate) fn flags(&self) -> Vec<(String, String)> {
        let data_dir =
            self.data_dir.iter().map(|dir| ("node.data_dir".to_owned(), dir.display().to_string()));
        data_dir.chain(self.set.iter().cloned()).collect()
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, for instance workers.orders=6".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything: gateway, workers, monitor, and the fake Twilio when no account is configured
    Serve,
    /// Send really signed webhooks to a running node
    Trigger(Trigger),
    /// Run the fake Twilio and its chat page alone
    FakeTwilio(FakeTwilio),
    /// Show the queues of a running node, or hold one up
    Queues {
        #[command(subcommand)]
        command: Option<Queues>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the schedules of a running node, or change one
    Schedules {
        #[command(subcommand)]
        command: Option<Schedules>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Look for jobs of a running node, and act on them
    Jobs {
        #[command(subcommand)]
        command: Jobs,
    },
    /// Show what happens to jobs and queues of a running node
    Events(Events),
    /// Look at and act on dead letters of a running node
    Dlq {
        #[command(subcommand)]
        command: Dlq,
    },
    /// Check this machine, the configuration and a running node; or explain a signature
    Doctor {
        #[command(subcommand)]
        command: Option<Doctor>,
    },
    /// Measure a running node, or the local queue on this disk
    Bench {
        #[command(subcommand)]
        command: Bench,
    },
    /// Show or check the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Trigger {
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
    /// Who writes
    #[arg(long, global = true, default_value = "whatsapp:+9779800000001", value_name = "ADDRESS")]
    pub(crate) from: String,
    /// Send that many different messages; with more than one, from as many different senders
    #[arg(long, global = true, default_value_t = 1, value_name = "N")]
    pub(crate) burst: u32,
    /// Deliver each message that many times
    #[arg(long, global = true, default_value_t = 1, value_name = "N")]
    pub(crate) duplicate: u32,
    /// Sign with a wrong token
    #[arg(long, global = true)]
    pub(crate) bad_signature: bool,
    /// The webhook's URL [default: the local node's]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<url::Url>,
    /// Do not wait for the replies
    #[arg(long, global = true)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Scenario {
    /// An order or any other text
    Order {
        /// The text
        #[arg(default_value = "2 kg rice and 1 oil")]
        text: String,
    },
    /// A job ad to be checked
    JobAd {
        /// The ad
        #[arg(default_value = "Hiring data entry clerks, $500 per day from home! No experience needed. \
                               Pay a $49 activation fee by gift card to start today. WhatsApp only.")]
        text: String,
    },
    /// A shared location
    Location {
        /// Degrees north
        #[arg(default_value_t = 27.717_245)]
        latitude: f64,
        /// Degrees east
        #[arg(default_value_t = 85.323_96)]
        longitude: f64,
    },
    /// A tapped button
    Button {
        /// What the button says
        #[arg(default_value = "Yes")]
        text: String,
        /// What it means
        #[arg(default_value = "yes")]
        payload: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct FakeTwilio {
    /// Port on loopback [default: fake_twilio.port]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Where inbound messages are delivered [default: the local node's webhook]
    #[arg(long, value_name = "URL")]
    pub(crate) webhook_url: Option<url::Url>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Doctor {
    /// Say whether a signature matches, and if not, which part differs
    Signature(DoctorSignature),
}

#[derive(Debug, Args)]
pub(crate) struct DoctorSignature {
    /// The URL as configured at Twilio
    #[arg(long)]
    pub(crate) url: String,
    /// The X-Twilio-Signature header
    #[arg(long)]
    pub(crate) signature: String,
    /// The raw request body
    #[arg(long, default_value = "")]
    pub(crate) body: String,
    /// The X-Twilio-Webhooks-Signature-Settings header, if there was one
    #[arg(long)]
    pub(crate) settings: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Signed, unique webhooks to a running node: closed loop, then open loop. Use a data folder of its own
    Gateway(BenchGateway),
    /// From the webhook to the reply's arrival at a fake Twilio that runs apart
    Pipeline(BenchPipeline),
    /// The local queue alone, on this disk; needs no node
    Queue(BenchQueue),
}

#[derive(Debug, Args)]
pub(crate) struct BenchGateway {
    /// Messages of the closed loop; 0 leaves it out
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) messages: u64,
    /// Connections of the closed loop
    #[arg(long, default_value_t = 50)]
    pub(crate) connections: u32,
    /// Messages per second of the open loop
    #[arg(long, default_value_t = 2_000)]
    pub(crate) rate: u32,
    /// Seconds of the open loop; 0 leaves it out
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u32,
    /// Different senders
    #[arg(long, default_value_t = 10_000)]
    pub(crate) senders: u64,
    /// Also append the figures to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchPipeline {
    /// The fake Twilio that the node sends to
    #[arg(long, value_name = "URL")]
    pub(crate) fake: url::Url,
    /// Messages sent as fast as they are acknowledged; 0 leaves it out
    #[arg(long, default_value_t = 60_000)]
    pub(crate) messages: u64,
    /// Connections of these
    #[arg(long, default_value_t = 50)]
    pub(crate) connections: u32,
    /// Messages per second of the open loop
    #[arg(long, default_value_t = 300)]
    pub(crate) rate: u32,
    /// Seconds of the open loop; 0 leaves it out
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u32,
    /// Different senders in each of the two
    #[arg(long, default_value_t = 10_000)]
    pub(crate) senders: u64,
    /// Also append the figures to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchQueue {
    /// Where to make the store; it is removed afterwards
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Seconds of each measure
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Jobs whose pickup is timed, 100 a second; 0 leaves it out
    #[arg(long, default_value_t = 2_000)]
    pub(crate) pickups: u32,
    /// Cycles are also measured beside 10^3, 10^4, … waiting jobs, up to so many
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) waiting_max: u64,
    /// Also append the figures to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every setting
    Show {
        /// And where each came from
        #[arg(long)]
        origin: bool,
        /// And what each means
        #[arg(long)]
        about: bool,
    },
    /// Check the configuration and print all problems
    Check,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn trigger_reads_as_documented() {
        let cli = Cli::try_parse_from(["steadfast", "trigger", "order", "1x2, 3x1", "--duplicate", "5"]);
        let Ok(Cli { command: Some(Command::Trigger(trigger)), .. }) = cli else { panic!("{cli:?}") };
        assert_eq!(trigger.duplicate, 5);
        assert!(matches!(trigger.scenario, Scenario::Order { text } if text == "1x2, 3x1"));
    }
}
