//! The monitor over real HTTP, on the memory back-end, the durable one, and real records.

mod audit;
mod client;
mod curl_lines;
mod dead_letters;
mod durable;
mod edge;
mod events;
mod fuzz;
mod health;
mod jobs;
mod messages;
mod metrics;
mod queues;
mod safety;
mod schedules;
mod searching;
mod world;
