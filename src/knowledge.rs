pub mod cli;
pub mod import;
pub mod passages;
