//! Every back-end keeps the same promises: one suite over all of them, restarts and faults of the durable one,
//! and the durable one held against the reference model. Numbers in test names are those of the fault
//! scenarios listed in the crate's README.

mod batches;
mod bounds;
mod concurrency;
mod control;
mod corrupt;
mod crashes;
mod events;
mod flow_rig;
mod fresh;
mod groups;
mod held_groups;
mod kill;
mod leases;
mod listing;
mod model;

mod modes;
mod notes;
mod order;
mod rates;
mod restart;
mod rig;
mod schedules;
mod sealed;
mod searching;
mod settings;
mod settling;
mod store_faults;
mod timing;
mod unique;
mod volume;
mod waiting;
