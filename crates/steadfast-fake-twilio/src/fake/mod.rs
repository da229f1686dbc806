//! Our own paths, under `/fake`: customers that write, scripts, and what tests look at.

mod control;
mod inbound;
mod look;
mod stream;

pub(crate) use control::{
    get_script, post_read, post_reset, post_script, post_webhook_url, post_window, remove_script,
};
pub(crate) use inbound::post_inbound;
pub(crate) use look::{chat, chats, messages, stats, webhooks};
pub(crate) use stream::{Listeners, events};
