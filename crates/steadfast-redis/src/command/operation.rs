//! Operations: what calls are counted under. A bounded set, so that tables by operation are.

use super::table::names;
use std::sync::LazyLock;

/// What a call is counted under: a command of the table, a pipeline, or any other command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Operation(u16);

static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| ["?", "PIPELINE"].into_iter().chain(names()).collect());

impl Operation {
    /// A command that is not in the table.
    pub(crate) const UNKNOWN: Self = Self(0);
    /// Several commands at once.
    pub(crate) const PIPELINE: Self = Self(1);

    /// The command at this place of the table.
    pub(super) const fn at(place: usize) -> Self {
        // The table has some hundreds.
        Self(place as u16 + 2)
    }

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        NAMES.get(self.index()).copied().unwrap_or("?")
    }

    /// Its place in a table by operation.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// How many there are.
    pub(crate) fn count() -> usize {
        NAMES.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec;
    use super::*;

    #[test]
    fn every_command_is_counted_under_its_own_name() {
        assert_eq!(spec(b"get").operation.name(), "GET");
        assert_eq!(spec(b"JSON.SET").operation, Operation::UNKNOWN);
        assert_eq!((Operation::UNKNOWN.name(), Operation::PIPELINE.name()), ("?", "PIPELINE"));
        assert_eq!(Operation::count(), names().count() + 2);
        for name in names() {
            assert_eq!(spec(name.as_bytes()).operation.name(), name);
        }
    }
}
