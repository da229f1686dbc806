//! The fault lab itself: real servers, the proxy, the simulator.

mod compare;
mod proxy;
mod server;
mod sim;
mod sim_faults;
mod sim_sets;
mod tls;
mod topologies;
