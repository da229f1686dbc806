//! The bot's handlers over real records and a scripted Twilio; the client over real sockets.

mod checks;
mod client;
mod order_chat;
mod order_dialogues;
mod order_walk;
mod orders;
mod privacy;
mod replies;
mod routing;
mod support;
