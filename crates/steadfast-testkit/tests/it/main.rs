//! The fault lab itself: real servers, the proxy, the simulator.

mod server;
