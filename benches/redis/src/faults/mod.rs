//! Five plain faults, played on simulated servers: what each client does, as it comes.

mod plays;

use crate::clients::{Kind, Target};
use crate::figures::Figures;
use crate::traffic::shown;
use anyhow::Context;
use futures::future::{BoxFuture, try_join_all};
use serde_json::json;
use std::time::Duration;

const KINDS: [Kind; 5] = [Kind::Manager, Kind::ManagerResp3, Kind::Fred, Kind::FredUnresponsive, Kind::Ours];
/// The time limit of a call.
const TIMEOUT: Duration = Duration::from_millis(500);
/// How long an outage lasts, and how long recovery is waited for.
const SPAN: Duration = Duration::from_secs(15);
/// What a fault may take in all, whatever a client does.
const PLAY_WITHIN: Duration = Duration::from_secs(60);

/// What was seen of one client at one fault.
#[derive(Debug, Default)]
struct Seen {
    /// How often the command was executed.
    executed: Option<u64>,
    /// From the moment at which it could to the first good answer; that it was not waited for.
    recovered: Option<Option<Duration>>,
    /// Connections that the server was asked for in [`SPAN`].
    dials: Option<u64>,
    calls_failed: usize,
    /// What the callers were told most often.
    said: String,
}

/// A fault: its letter, what it is, and how it is played.
struct Fault {
    letter: &'static str,
    what: &'static str,
    play: fn(Kind, Target) -> BoxFuture<'static, anyhow::Result<Seen>>,
}

const FAULTS: [Fault; 5] = [
    Fault {
        letter: "A",
        what: "the server executes INCR and drops the connection before the reply",
        play: |kind, to| Box::pin(plays::lost_reply(kind, to)),
    },
    Fault {
        letter: "B",
        what: "half-open under traffic: the peer acknowledges and never answers, new connections work",
        play: |kind, to| Box::pin(plays::half_open(kind, to)),
    },
    Fault {
        letter: "C",
        what: "max number of clients reached on every dial for 15 s",
        play: |kind, to| Box::pin(plays::no_room(kind, to)),
    },
    Fault {
        letter: "D",
        what: "WRONGPASS on every dial for 15 s",
        play: |kind, to| Box::pin(plays::wrong_password(kind, to)),
    },
    Fault {
        letter: "E",
        what: "the old connection leads to a replica (READONLY), a new one to the primary",
        play: |kind, to| Box::pin(plays::read_only(kind, to)),
    },
];

/// Plays everything, all clients at a time, each on a server of its own.
pub(crate) async fn run(figures: &Figures) -> anyhow::Result<()> {
    let to = Target { url: String::new(), timeout: TIMEOUT, tasks: plays::CALLERS, fred_size: 1 };
    println!(
        "time limit of a call {TIMEOUT:?}, {} callers with a pause of {:?}; recovery waited for {SPAN:?}",
        plays::CALLERS,
        crate::traffic::PAUSE
    );
    for fault in FAULTS {
        println!("\n{} {}:", fault.letter, fault.what);
        println!(
            "  {:<34} {:<8} {:>8} {:>16} {:>12} {:>7}  most said",
            "", "version", "executed", "good answer", "dials, 15 s", "failed"
        );
        let all = KINDS.into_iter().map(|kind| {
            let played = tokio::time::timeout(PLAY_WITHIN, (fault.play)(kind, to.clone()));
            async move { anyhow::Ok((kind, played.await.with_context(|| kind.name())?)) }
        });
        for (kind, seen) in try_join_all(all).await? {
            line(&fault, kind, &seen.with_context(|| kind.name())?, figures)?;
        }
    }
    Ok(())
}

fn line(fault: &Fault, kind: Kind, seen: &Seen, figures: &Figures) -> anyhow::Result<()> {
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let recovered = seen.recovered.map_or_else(|| "-".to_owned(), |took| shown(took, SPAN));
    println!(
        "  {:<34} {:<8} {:>8} {recovered:>16} {:>12} {:>7}  {}",
        kind.name(),
        kind.version()?,
        count(seen.executed),
        count(seen.dials),
        seen.calls_failed,
        seen.said
    );
    let recovered_ms = seen.recovered.flatten().map(|took| took.as_secs_f64() * 1e3);
    figures.keep(&json!({
        "what": "fault", "fault": fault.letter, "description": fault.what, "client": kind.name(),
        "version": kind.version()?, "executed": seen.executed, "recovered": seen.recovered.map(|took| took.is_some()),
        "recovered_ms": recovered_ms, "bound_ms": SPAN.as_millis(), "dials": seen.dials,
        "calls_failed": seen.calls_failed, "said": seen.said,
    }))
}
