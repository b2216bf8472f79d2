pub mod apply;
pub mod jobs;
pub mod shard_loop;
