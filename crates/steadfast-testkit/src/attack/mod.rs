//! Attacks on the public edge of the built binary, and what honest people notice of them.
//!
//! Honest traffic is signed, unique and open-loop: each message is due at a fixed time, and its latency counts
//! from then. It is measured in quiet and, right behind, under each attack; what counts is the ratio of the two,
//! because both were measured on the same machine in the same minute. The attacker is a process of its own at
//! the lowest priority: what it does costs the node as much as ever, and what it costs to do is not the node's.

mod floods;
mod holds;
mod honest;
mod kind;
mod report;
mod run;
mod socket;

pub use kind::{Kind, Offered, attack};
pub use report::{Figures, Report, Row};
pub use run::{Options, run};
