//! Figures as they are shown and as they are kept.

use super::node::BINARY;
use super::{disk, machine};
use crate::run::shown;
use anyhow::Context;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A run's figures.
pub(super) struct Report {
    bench: &'static str,
    json: Option<PathBuf>,
    machine: Value,
    sections: Vec<Value>,
}

impl Report {
    pub(super) fn begin(bench: &'static str, json: Option<PathBuf>) -> anyhow::Result<Self> {
        let machine = machine::facts();
        let facts = machine.as_object().context("no facts")?;
        for (name, value) in facts {
            println!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        Ok(Self { bench, json, machine, sections: Vec::new() })
    }

    /// Runs the binary with `args`, which tells its figures itself, with a look at the disk before and after.
    pub(super) fn section(&mut self, title: &str, folder: &Path, args: &[String]) -> anyhow::Result<()> {
        self.section_of(BINARY, title, folder, args)
    }

    /// The same with another program that takes `--json`.
    pub(super) fn section_of(
        &mut self,
        program: &str,
        title: &str,
        folder: &Path,
        args: &[String],
    ) -> anyhow::Result<()> {
        println!("\n{title}:");
        disk::calm(folder)?;
        let before = disk::fdatasync(folder)?;
        let figures = figures_of(program, folder, args)?;
        let after = disk::fdatasync(folder)?;
        for (when, probe) in [("before", &before), ("after", &after)] {
            println!(
                "fdatasync of 4 KiB {when}: appended {}, overwritten {}",
                probe["append"], probe["overwrite"]
            );
        }
        self.sections.push(json!({
            "title": title,
            "fdatasync_before": before,
            "fdatasync_after": after,
            "figures": figures,
        }));
        Ok(())
    }

    /// The same with a program that keeps nothing on disk.
    pub(super) fn section_in_memory(
        &mut self,
        program: &str,
        title: &str,
        folder: &Path,
        args: &[String],
    ) -> anyhow::Result<()> {
        println!("\n{title}:");
        let figures = figures_of(program, folder, args)?;
        self.sections.push(json!({ "title": title, "figures": figures }));
        Ok(())
    }

    /// Shows what the disk alone does at the pace of an open loop.
    pub(super) fn disk_at_pace(&mut self, folder: &Path, per_second: u32) -> anyhow::Result<()> {
        disk::calm(folder)?;
        let figures = disk::paced(folder, per_second)?;
        self.sections.push(json!({ "title": "the disk alone at that pace", "figures": [figures] }));
        Ok(())
    }

    pub(super) fn end(self, note: &str) -> anyhow::Result<()> {
        println!("\nload average after: {}", machine::load_average().unwrap_or_default());
        println!("{note}");
        let Some(path) = self.json else { return Ok(()) };
        let whole = json!({
            "bench": self.bench,
            "machine": self.machine,
            "load_average_after": machine::load_average(),
            "note": note,
            "sections": self.sections,
        });
        std::fs::write(&path, format!("{whole:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Runs `program` with `args`, and reads the figures that it leaves.
fn figures_of(program: &str, folder: &Path, args: &[String]) -> anyhow::Result<Vec<Value>> {
    let figures = folder.join("figures.ndjson");
    let json = format!("--json={}", figures.display());
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.push(&json);
    shown(program, &args)?;
    let text = std::fs::read_to_string(&figures).context("the run left no figures")?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}
