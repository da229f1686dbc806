//! Twilio's own paths: `/2010-04-01/Accounts/{account}/…`.

mod create;
mod media;
mod read;

pub(crate) use create::create;
pub(crate) use media::{delete_media, download, fetch_media};
pub(crate) use read::{fetch, list};
