//! The pretend Twilio over real HTTP, looked at from both of its sides.

mod api;
mod bounds;
mod callbacks;
mod inbound;
mod media;
mod page;
mod scripts;
mod support;
