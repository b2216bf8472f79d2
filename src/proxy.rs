pub mod egress;
pub mod gateway;
pub mod ingest;
pub mod publish;
pub mod routes;
pub mod setup;
