//! Queries of what workers tell Prometheus.

use super::{Kind, Query, WORKER, other};

pub const QUERIES: &[Query] = &[
    // All shards, members, open questions and pending effects, by intent: every five seconds, and for a twentieth of the
    // time at the most.
    other(WORKER, Kind::Whole, "select shards.online as \"online!\""),
    // The load of all servers of the worker.
    other(WORKER, Kind::Whole, "select s.id, s.server_count, t.incarnation, t.cursor_seq, coalesce(("),
];
