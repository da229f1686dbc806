//! What operators ask of a running node.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Queues {
    /// Hand out nothing more from a queue
    Pause {
        /// Which
        name: String,
    },
    /// Take nothing new into a queue, and work off what is there
    Drain {
        /// Which
        name: String,
    },
    /// Let a queue go on as usual
    Resume {
        /// Which
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Schedules {
    /// Put a schedule in place, instead of the one of that name
    Put {
        /// Its name
        name: String,
        /// When: minute, hour, day of the month, month, day of the week, e.g. "0 9 * * 1-5"
        #[arg(long)]
        cron: String,
        /// Where, as the time zone database says
        #[arg(long, default_value = "UTC", value_name = "ZONE")]
        zone: String,
        /// What becomes of times at which no node was up: skip, coalesce (the latest stands for all), or catch-up=N (the
        /// latest N)
        #[arg(long, default_value = "skip", value_name = "HOW", value_parser = missed)]
        missed: serde_json::Value,
        /// The queue of its jobs
        #[arg(long)]
        queue: String,
        /// What they are
        #[arg(long)]
        kind: String,
        /// What they carry, as JSON
        #[arg(long, default_value = "null", value_name = "JSON")]
        payload: String,
    },
    /// Remove a schedule; the jobs it has brought stay
    Remove {
        /// Which
        name: String,
    },
}

/// As the API takes it.
fn missed(text: &str) -> Result<serde_json::Value, String> {
    let catch_up = |max: &str| Some(serde_json::json!({ "catch_up": { "max": max.parse::<u32>().ok()? } }));
    match (text, text.strip_prefix("catch-up=").and_then(catch_up)) {
        ("skip" | "coalesce", _) => Ok(text.into()),
        (_, Some(catch_up)) => Ok(catch_up),
        _ => Err("write skip, coalesce, or catch-up=3".to_owned()),
    }
}

/// What to look for.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Search {
    /// Only of this queue
    #[arg(long)]
    pub(crate) queue: Option<String>,
    /// Only with this error word
    #[arg(long)]
    pub(crate) error: Option<String>,
    /// Only of this kind
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Only of this group (32 hex digits, as jobs show it)
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Only the one that this unique key stands for; needs --queue
    #[arg(long, requires = "queue")]
    pub(crate) unique: Option<String>,
    /// Only with this correlation id
    #[arg(long)]
    pub(crate) correlation_id: Option<String>,
    /// Only those enqueued then or later (2026-01-31T09:05:03Z, a day, or milliseconds since 1970)
    #[arg(long, value_name = "TIME")]
    pub(crate) enqueued_since: Option<String>,
    /// Only those enqueued before
    #[arg(long, value_name = "TIME")]
    pub(crate) enqueued_until: Option<String>,
    /// Only those that came to their end then or later
    #[arg(long, value_name = "TIME")]
    pub(crate) finished_since: Option<String>,
    /// Only those that came to their end before
    #[arg(long, value_name = "TIME")]
    pub(crate) finished_until: Option<String>,
    /// At most so many, 1 to 200
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: u32,
    /// Where the page before ended
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Search {
    /// The parameters of the API's call.
    pub(crate) fn pairs(self) -> Vec<(&'static str, String)> {
        let given = [
            ("queue", self.queue),
            ("error", self.error),
            ("kind", self.kind),
            ("group", self.group),
            ("unique", self.unique),
            ("correlation_id", self.correlation_id),
            ("enqueued_since", self.enqueued_since),
            ("enqueued_until", self.enqueued_until),
            ("finished_since", self.finished_since),
            ("finished_until", self.finished_until),
            ("limit", Some(self.limit.to_string())),
            ("cursor", self.cursor),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// List dead letters, counted
    List(Box<Search>),
    /// Count dead letters by queue and error word
    Errors {
        /// Only of this queue
        #[arg(long)]
        queue: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make dead jobs available again
    Retry {
        /// Their ids
        ids: Vec<String>,
        /// All of them, the oldest 1,000 in one call
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// With --all: only of this queue
        #[arg(long, requires = "all")]
        queue: Option<String>,
        /// With --all: only with this error word
        #[arg(long, requires = "all")]
        error: Option<String>,
        /// With --all: count them, and do nothing
        #[arg(long, requires = "all")]
        dry_run: bool,
    },
    /// Forget dead jobs for good
    Discard {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Jobs {
    /// List jobs, newest first
    List {
        #[command(flatten)]
        search: Box<Search>,
        /// Only in these states, separated by commas
        #[arg(long)]
        state: Option<String>,
    },
    /// Show one, with its history, its progress and its log
    Show {
        /// Its id
        id: String,
    },
    /// Make one available now, with fresh attempts
    Retry {
        /// Its id
        id: String,
    },
    /// Call one off
    Cancel {
        /// Its id
        id: String,
    },
    /// Forget one that is dead, cancelled or completed
    Discard {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Go on with what happens
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Where to begin: oldest, now, or the cursor of an earlier answer [default: oldest; now with --follow]
    #[arg(long, value_name = "oldest|now|CURSOR")]
    pub(crate) from: Option<String>,
    /// Only of this queue
    #[arg(long)]
    pub(crate) queue: Option<String>,
    /// Only of this job
    #[arg(long)]
    pub(crate) job: Option<String>,
    /// Only these kinds, separated by commas (enqueued, started, completed, dead, …)
    #[arg(long)]
    pub(crate) kinds: Option<String>,
    /// Print JSON, one event per line
    #[arg(long)]
    pub(crate) json: bool,
}
