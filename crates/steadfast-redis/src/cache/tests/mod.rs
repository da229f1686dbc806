mod memory;
mod real;
