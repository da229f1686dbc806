//! The built binary under signed load and under everything that can happen to a process, with a ledger of what
//! became of every message.
//!
//! The load, the faults and the fake Twilio are processes of their own; nothing in the binary knows of them. The
//! seed fixes the plan of the faults and what the load sends; when exactly each meets the other is the machine's
//! business, so a repeated run tries the same things and not the same instants.

mod clock;
mod disk;
mod faults;
mod ledger;
mod load;
mod node;
mod options;
mod plan;
mod quiet;
mod random;
mod replies;
mod report;
mod run;

pub use options::Options;
pub use report::Report;
pub use run::run;
