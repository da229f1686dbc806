mod histories;
mod memory;
mod model;
mod real;
mod world;
