pub mod client;
pub mod outbox;
pub mod render;
