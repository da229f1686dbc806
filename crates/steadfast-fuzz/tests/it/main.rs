//! The corpus of every fuzz target, replayed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use steadfast_fuzz::TARGETS;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// What may lie in a corpus, so that it stays something to read: files of one target, and bytes of one file.
const FILES_MAX: usize = 200;
const BYTES_MAX: usize = 16 * 1024;

#[test]
fn the_corpus_holds_for_every_target() {
    for (name, target) in TARGETS {
        let mut files: Vec<PathBuf> = std::fs::read_dir(corpus().join(name))
            .unwrap_or_else(|error| panic!("{name} has no corpus: {error}"))
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        assert!((5..=FILES_MAX).contains(&files.len()), "{name} has {} files", files.len());
        for file in files {
            let bytes = std::fs::read(&file).expect("a file");
            assert!(bytes.len() <= BYTES_MAX, "{} is large", file.display());
            // Shown only if the target panics.
            println!("{}", file.display());
            target(&bytes);
        }
    }
}

#[test]
fn every_corpus_has_a_target_and_every_target_its_program() {
    let named: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let folders = std::fs::read_dir(corpus()).expect("a corpus");
    let folders: BTreeSet<String> =
        folders.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(folders, named);
    let manifest = std::fs::read_to_string(corpus().join("../Cargo.toml")).expect("the fuzz manifest");
    for name in &named {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is no program in fuzz/Cargo.toml");
    }
}
