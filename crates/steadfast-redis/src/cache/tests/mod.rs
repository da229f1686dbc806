mod found;
mod histories;
mod memory;
mod model;
mod outbox;
mod real;
mod world;
