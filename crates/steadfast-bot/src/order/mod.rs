//! Orders by chat: from a text to a draft, from a draft to an order. Everything here is pure: the same
//! message on the same records makes the same plan, however often it runs.

mod amount;
pub mod conversation;
pub mod edit;
pub mod intent;
mod numerals;
pub mod parse;
mod problem;
mod text;
mod texts;
mod units;
mod words;
