//! Scenario 35: the durable store on a disk that fails, fills up, lies about nothing and forgets everything that was
//! not synced; and in a process that is killed at any call it makes.
//!
//! A child process works on a real store over the misbehaving disk of the test kit ([`life`]). It says what it was
//! promised, and [`claims`] turns that into what must be there. [`check`] opens what is left and holds it to that.
//!
//! `STEADFAST_HISTORIES=<n>` makes the long runs of it; the seed that a failure names repeats it with
//! `STEADFAST_SEED=<seed>`.

mod check;
mod claims;
mod cut;
mod faults;
mod killed;
mod life;
mod opening;
mod run;
mod spec;
