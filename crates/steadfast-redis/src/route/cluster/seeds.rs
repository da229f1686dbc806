//! The nodes last known, in a file: seeds for a start at which the configured ones are gone.

use super::view::Shard;
use crate::config::Address;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// What a file may hold at most; a cluster has at most some thousand nodes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The nodes in the file; none if it is not there or cannot be read.
pub(super) async fn load(path: Option<&Path>) -> Vec<Address> {
    let Some(path) = path else { return Vec::new() };
    match tokio::fs::read_to_string(path).await {
        Ok(text) => read(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the nodes last known cannot be read");
            Vec::new()
        }
    }
}

fn read(text: &str) -> Vec<Address> {
    let start = text.get(..FILE_BYTES_MAX).unwrap_or(text);
    start
        .lines()
        .filter_map(|line| Address::of_node(line.trim(), ""))
        .filter(|address| !address.host().is_empty())
        .collect()
}

/// Writes the file anew if the nodes are others than those in it. The whole file takes the place of the old one.
pub(super) async fn keep(path: Option<&Path>, shards: &[Shard]) {
    let Some(path) = path else { return };
    let nodes: BTreeSet<&Address> =
        shards.iter().flat_map(|shard| shard.replicas.iter().chain([&shard.primary])).collect();
    let text: String = nodes.iter().map(|address| format!("{address}\n")).collect();
    if tokio::fs::read_to_string(path).await.is_ok_and(|old| old == text) {
        return;
    }
    let new = path.with_extension("new");
    let written = async {
        tokio::fs::write(&new, &text).await?;
        tokio::fs::rename(&new, path).await
    };
    if let Err(error) = written.await {
        tracing::warn!(path = %path.display(), %error, "the nodes last known cannot be kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nodes_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes");
        assert_eq!(load(Some(&path)).await, []);
        let at = |port| Address::tcp("10.0.0.1", port);
        let shard = Shard { primary: at(1), replicas: vec![at(2)], slots: Vec::new() };
        keep(Some(&path), &[shard]).await;
        assert_eq!(load(Some(&path)).await, [at(1), at(2)]);
        assert_eq!(read("no address\n[::1]:5\n\n"), [Address::tcp("::1", 5)]);
    }
}
