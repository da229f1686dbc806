//! Redis clients beside each other, in one run: how fast they are, and what five plain faults do to them.
//!
//! `speed` measures on a `redis-server` process of its own; `faults` plays on simulated servers. Every client is told
//! the same time limits and no-delay; otherwise it is as it comes, and its settings are printed.

mod clients;
mod faults;
mod figures;
mod speed;
mod traffic;
mod versions;

use clap::Parser;
use figures::Figures;
use std::path::PathBuf;

#[derive(Debug, Parser)]
enum Args {
    /// GET and SET at several numbers of tasks, then what an outage costs
    Speed {
        #[command(flatten)]
        sizes: speed::Sizes,
        /// Also append the figures to this file, one JSON object per line
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// A lost reply, a half-open socket, no room, a wrong password, a replica behind the old connection
    Faults {
        /// Also append the figures to this file, one JSON object per line
        #[arg(long)]
        json: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{}", versions::line()?);
    match Args::parse() {
        Args::Speed { sizes, json } => speed::run(&sizes, &Figures::to(json)).await,
        Args::Faults { json } => faults::run(&Figures::to(json)).await,
    }
}
