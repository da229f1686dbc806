//! Orders by chat: from a text to a draft, from a draft to an order. Everything here is pure: the same
//! message on the same records makes the same plan, however often it runs.
//!
//! Reading order: [`conversation`] decides what a message does. It asks [`intent`] whether the whole message
//! is a command, [`edit`] whether it changes the draft, and [`parse`] what it orders. Parsing goes from text
//! to tokens (`lex`), to pieces (`tag`: numbers with units, products, words), to clauses and lines (`clause`,
//! `terms`), with number words from `numerals` and all small words as data in `words` and `units`.

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
