//! What is wrong with a configuration: everything at once.

use std::fmt;

/// A configuration that cannot be used, with every problem found in it. What was configured before stays in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig {
    what: &'static str,
    problems: Vec<Problem>,
}

/// One field that cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field's name.
    pub field: &'static str,
    /// What it is, and what it must be.
    pub what: String,
}

impl InvalidConfig {
    /// Every problem found, in the order of the fields. Never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} cannot be configured like this: ", self.what)?;
        for (place, Problem { field, what }) in self.problems.iter().enumerate() {
            let gap = if place == 0 { "" } else { "; " };
            write!(f, "{gap}`{field}` {what}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidConfig {}

/// Gathers problems while a configuration is looked through.
#[derive(Debug)]
pub(crate) struct Checker(InvalidConfig);

impl Checker {
    pub(crate) fn of(what: &'static str) -> Self {
        Self(InvalidConfig { what, problems: Vec::new() })
    }

    /// Notes a problem with `field` unless `fine`.
    pub(crate) fn require(&mut self, fine: bool, field: &'static str, what: impl FnOnce() -> String) {
        if !fine {
            self.0.problems.push(Problem { field, what: what() });
        }
    }

    pub(crate) fn finish(self) -> Result<(), InvalidConfig> {
        if self.0.problems.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_at_once() {
        let mut checker = Checker::of("thing");
        checker.require(true, "a", || "is never told".into());
        checker.require(false, "b", || "is 0, must be at least 1".into());
        checker.require(false, "c", || "is odd".into());
        let error = checker.finish().expect_err("two problems");
        assert_eq!(error.problems().len(), 2);
        assert_eq!(
            error.to_string(),
            "the thing cannot be configured like this: `b` is 0, must be at least 1; `c` is odd"
        );
    }

    #[test]
    fn no_problem_is_fine() {
        assert_eq!(Checker::of("thing").finish(), Ok(()));
    }
}
