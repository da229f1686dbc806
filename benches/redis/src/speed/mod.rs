//! GET and SET at several numbers of tasks: in rounds, each client in each round, so that what else the machine does
//! hits all alike.

mod load;
mod outage;
mod table;

pub(crate) use load::{Point, Sample, measure};

use crate::clients::{Contender, Kind, Target};
use crate::figures::Figures;
use anyhow::Context;
use clap::Args;
use load::Work;
use std::time::Duration;
use steadfast_testkit::redis::Server;
use table::Table;

/// In the order of the table. The first is what the others are compared to.
const KINDS: [Kind; 5] = [Kind::Bare, Kind::Manager, Kind::Fred, Kind::Deadpool, Kind::Ours];
/// The time limit of every call.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long each client is driven before its first round.
const WARM_UP: Duration = Duration::from_millis(300);

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Sizes {
    /// Tasks that each make one call after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 50, 500])]
    tasks: Vec<usize>,
    /// Rounds; the table shows medians over them
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Milliseconds of each measure
    #[arg(long, default_value_t = 600)]
    millis: u64,
    /// Connections of fred's pool
    #[arg(long, default_value_t = 2)]
    fred_size: usize,
    /// Only clients with this in their names
    #[arg(long)]
    only: Vec<String>,
    /// Leave out what an outage costs
    #[arg(long)]
    no_outage: bool,
    /// Leave out the rates
    #[arg(long)]
    only_outage: bool,
}

impl Sizes {
    fn kinds(&self) -> Vec<Kind> {
        let wanted = |kind: &Kind| {
            self.only.is_empty() || self.only.iter().any(|part| kind.name().contains(part.as_str()))
        };
        KINDS.into_iter().filter(wanted).collect()
    }
}

/// Measures everything.
pub(crate) async fn run(sizes: &Sizes, figures: &Figures) -> anyhow::Result<()> {
    let server = Server::start().await?;
    let version = server.info("server", "redis_version").await?;
    println!("server: redis-server {version} on the loopback address, nothing kept on disk");
    if !sizes.only_outage {
        for tasks in &sizes.tasks {
            rates(&server, *tasks, sizes, figures).await.with_context(|| format!("at {tasks} tasks"))?;
        }
    }
    drop(server);
    if !sizes.no_outage {
        outage::run(&sizes.kinds(), sizes.fred_size, figures).await?;
    }
    Ok(())
}

/// All rounds at one number of tasks.
async fn rates(server: &Server, tasks: usize, sizes: &Sizes, figures: &Figures) -> anyhow::Result<()> {
    let target = Target { url: server.url().to_owned(), timeout: TIMEOUT, tasks, fred_size: sizes.fred_size };
    let kinds = sizes.kinds();
    let mut contenders: Vec<(Kind, Box<dyn Contender>)> = Vec::new();
    for kind in kinds {
        let contender = kind.connect(&target).await.with_context(|| kind.name())?;
        contenders.push((kind, contender));
    }
    println!("\n{tasks} task{}:", if tasks == 1 { "" } else { "s" });
    let point = |work| Point::new(work, tasks, Duration::from_millis(sizes.millis));
    for (kind, contender) in &contenders {
        println!("  {} {}: {}", kind.name(), kind.version()?, contender.settings());
        let warm_up = Point::new(Work::Set, tasks, WARM_UP);
        contender.measure(&warm_up).await.with_context(|| kind.name())?;
    }
    let mut table = Table::new(tasks);
    for round in 0..sizes.rounds {
        for work in Work::ALL {
            for place in 0..contenders.len() {
                let (kind, contender) = &contenders[(place + round) % contenders.len()];
                let reads = reads(server).await?;
                let sample = contender.measure(&point(work)).await.with_context(|| kind.name())?;
                table.add(*kind, work, &sample, reads_since(server, reads).await?);
            }
        }
    }
    table.print(sizes, figures)
}

/// How often the server has read from a client.
async fn reads(server: &Server) -> anyhow::Result<u64> {
    Ok(server.info("stats", "total_reads_processed").await?.parse()?)
}

/// The same since then, without the one for this question.
async fn reads_since(server: &Server, before: u64) -> anyhow::Result<u64> {
    Ok(reads(server).await?.saturating_sub(before + 1))
}
