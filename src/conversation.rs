pub mod command;
pub mod state;
pub mod store;
