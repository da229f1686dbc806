//! Figures as they are kept, and sums over them.

use anyhow::Context;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;

/// Where figures go, one JSON object per line.
#[derive(Debug)]
pub(crate) struct Figures(Option<PathBuf>);

impl Figures {
    pub(crate) fn to(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    pub(crate) fn keep(&self, figures: &Value) -> anyhow::Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "{figures}").with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The middle one, or the mean of the two in the middle; 0 of none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// That which `share` (0 to 1) of the sorted values are no larger than; 0 of none.
pub(crate) fn quantile(sorted: &[u32], share: f64) -> u32 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_medians() {
        let sorted: Vec<u32> = (1..=1_000).collect();
        assert_eq!(
            (quantile(&sorted, 0.5), quantile(&sorted, 0.99), quantile(&sorted, 0.999)),
            (500, 990, 999)
        );
        assert_eq!((quantile(&[], 0.5), quantile(&[7], 0.0), quantile(&[7], 1.0)), (0, 7, 7));
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert_eq!(median(std::iter::empty()), 0.0);
    }
}
