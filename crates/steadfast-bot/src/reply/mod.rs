//! Sending replies: splitting, pacing, the 24-hour window, Twilio's answers, Twilio itself.

pub mod classify;
mod dates;
mod format;
pub mod pacing;
pub mod split;
pub mod twilio;
pub mod window;
