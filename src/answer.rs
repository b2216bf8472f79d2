pub mod extract;
pub mod retrieve;
