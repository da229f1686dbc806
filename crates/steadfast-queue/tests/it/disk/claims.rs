//! What must be there, from what the child asked and was told.

use super::life::class_of;
use super::spec::{Class, Word, follow_ups};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of one job.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim {
    /// What it may be. One entry once it was told; more while a call on it was not answered.
    pub(super) may_be: BTreeSet<Class>,
    /// What it becomes by the call that is under way, if that is answered, and the call's lease.
    asked: Option<(Class, u64)>,
    /// An operator made it begin anew.
    pub(super) begun_anew: bool,
    /// How often it was under a lease.
    pub(super) times_held: u32,
    /// What was heard of it, for messages.
    heard: Vec<String>,
}

/// All that was promised up to some moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    pub(super) jobs: BTreeMap<u64, Claim>,
    /// The fences that were given out.
    pub(super) fences: BTreeSet<(u64, u64)>,
    /// Whether [`super::spec::PAUSED`] may be paused, and may be not.
    pub(super) paused: BTreeSet<bool>,
}

impl Claims {
    /// A new life of the child begins: what was under way stays unanswered.
    pub(super) fn next_life(&mut self) {
        self.jobs.values_mut().for_each(|claim| claim.asked = None);
    }

    pub(super) fn hear_all(&mut self, text: &str) {
        text.lines().for_each(|line| self.hear(line));
    }

    /// Takes in a line of the child.
    pub(super) fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["ask", "enqueue", numbers @ ..] => {
                for number in numbers.iter().map(|word| parse(word)) {
                    self.may_come(number);
                }
            }
            ["got", "enqueue", answers @ ..] => {
                for (number, answer) in answers.iter().map(|word| pair(word)) {
                    assert_ne!(answer, "rejected", "{number}: nothing is full here");
                    self.came(number);
                }
            }
            ["held", number, attempt, epoch, counter] => {
                let fence = (parse(epoch), parse(counter));
                assert!(self.fences.insert(fence), "{fence:?} was given out twice");
                self.held(parse(number), u32::try_from(parse(attempt)).expect("small"));
            }
            ["ask", "settle", verdicts @ ..] => {
                for verdict in verdicts {
                    let parts: Vec<&str> = verdict.split('=').collect();
                    let attempt = u32::try_from(parse(parts[2])).expect("small");
                    self.ask_settle(parse(parts[0]), Word::parse(parts[1]), attempt, parse(parts[3]));
                }
            }
            ["got", "settle", answers @ ..] => {
                for answer in answers {
                    let parts: Vec<&str> = answer.split('=').collect();
                    let (number, lease) = (parse(parts[0]), parse(parts[2]));
                    // An answer may be told after another worker has the job again: then that says more.
                    let asked = self.job(number).asked.filter(|asked| asked.1 == lease);
                    if let Some(class) = asked.and_then(|(outcome, _)| class_of(parts[1], outcome)) {
                        self.told(number, class);
                    }
                }
            }
            ["ask", "pause", paused] => {
                self.paused.insert(parse(paused) == 1);
                // It was not paused before it was ever asked.
                self.paused.insert(parse(paused) != 1);
            }
            ["got", "pause", answer] => self.paused = BTreeSet::from([pair(answer).0 == 1]),
            ["ask", word, number] => self.ask(parse(number), after(word)),
            ["got", _, answer] => {
                let (number, affected) = pair(answer);
                let claim = self.job(number);
                if let (Some((class, 0)), "1") = (claim.asked, affected) {
                    self.told(number, class);
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn job(&mut self, number: u64) -> &mut Claim {
        self.jobs.entry(number).or_default()
    }

    fn may_come(&mut self, number: u64) {
        let claim = self.note(number, "may come".to_owned());
        if claim.may_be.is_empty() {
            claim.may_be = BTreeSet::from([Class::Absent, Class::Waiting(0)]);
        }
    }

    fn came(&mut self, number: u64) {
        self.note(number, "came".to_owned()).may_be.remove(&Class::Absent);
    }

    fn note(&mut self, number: u64, what: String) -> &mut Claim {
        let claim = self.job(number);
        claim.heard.push(what);
        claim
    }

    /// A job that a worker holds is on the disk as it was before this attempt.
    fn held(&mut self, number: u64, attempt: u32) {
        let claim = self.note(number, format!("held in attempt {attempt}"));
        let before = Class::Waiting(attempt - 1);
        assert!(
            claim.may_be.contains(&before) || claim.begun_anew,
            "{number} was handed out in attempt {attempt} and can only be {:?}",
            claim.may_be
        );
        claim.may_be = BTreeSet::from([before]);
        claim.asked = None;
        claim.times_held += 1;
    }

    fn ask(&mut self, number: u64, class: Class) {
        let claim = self.note(number, format!("asked to become {class:?}"));
        claim.may_be.insert(class);
        claim.asked = Some((class, 0));
        claim.begun_anew |= class == Class::Waiting(0);
    }

    fn ask_settle(&mut self, number: u64, word: Word, attempt: u32, lease: u64) {
        let outcome = word.outcome(attempt);
        let claim = self.note(number, format!("{word:?} in attempt {attempt}"));
        claim.may_be.insert(outcome);
        claim.asked = Some((outcome, lease));
        if word.has_follow_ups(attempt) {
            for follow_up in follow_ups(number) {
                self.may_come(follow_up);
            }
        }
    }

    fn told(&mut self, number: u64, class: Class) {
        let claim = self.note(number, format!("told {class:?}"));
        claim.asked = None;
        claim.may_be = BTreeSet::from([class]);
        // What comes with a first attempt that ended so has come.
        if !claim.begun_anew && matches!(class, Class::Completed | Class::Waiting(1)) {
            for follow_up in follow_ups(number) {
                let claim = self.job(follow_up);
                if claim.may_be == BTreeSet::from([Class::Absent, Class::Waiting(0)]) {
                    claim.may_be.remove(&Class::Absent);
                }
            }
        }
    }
}

/// What becomes of a job by an operator's command.
fn after(word: &str) -> Class {
    match word {
        "cancel" => Class::Cancelled,
        "retry" => Class::Waiting(0),
        "discard" => Class::Absent,
        other => panic!("{other} is no command"),
    }
}

fn parse(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
}

fn pair(word: &str) -> (u64, &str) {
    let (number, answer) = word.split_once('=').expect("an answer");
    (parse(number), answer)
}
