//! What must hold for any bytes from outside.
//!
//! Each target takes bytes and panics if a promise is broken. The fuzzer calls them with bytes it makes up
//! (`fuzz/`), the test of this crate with the corpus that it left behind, so that the corpus never rots.
//!
//! Inputs are text where they can be, cut at line ends, so that a seed can be written and a finding read
//! with an editor: see each target.
#![warn(missing_docs)]

mod answers;
mod config;
mod cron;
mod form;
mod input;
mod order;
mod reply;
mod signature;
mod twiml;
mod webhook;

pub use answers::answers;
pub use config::config;
pub use cron::cron;
pub use form::form;
pub use order::order;
pub use reply::reply;
pub use signature::signature;
pub use twiml::twiml;
pub use webhook::webhook;

/// A target: it panics if the bytes break a promise.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("answers", answers),
    ("config", config),
    ("cron", cron),
    ("form", form),
    ("order", order),
    ("reply", reply),
    ("signature", signature),
    ("twiml", twiml),
    ("webhook", webhook),
];
