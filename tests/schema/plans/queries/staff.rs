//! Queries of tickets, replies and statistics.

use super::{Kind, Query, WORKER, hot, other};

pub const QUERIES: &[Query] = &[
    // Conversations and their silences ---------------------------------------------------------------------------
    hot(
        WORKER,
        "with waiting as ( insert into helpline.silences as known",
        "{server}, gen_random_uuid(), '1', '2', '3', 'ada', '[]', 'active', now(), now()",
        &["arbiter conversations_pkey", "arbiter silences_pkey"],
    ),
    hot(
        WORKER,
        "select q.server_id, q.conversation_id, s.shard_id from helpline.silences q",
        "array[1, 2], now()",
        &["silences_look_at_idx", "server_shards_pkey|server_shards_shard_id_idx"],
    ),
    hot(
        WORKER,
        "select id from public.forwarded_tickets where server_id = $1 and conversation_id = $2",
        "{server}, gen_random_uuid()",
        &["forwarded_tickets_conversation_id_idx|forwarded_tickets_server_id_idx|forwarded_tickets_open_idx"],
    ),
    hot(
        WORKER,
        "select warned_at from helpline.silences",
        "{server}, gen_random_uuid(), now()",
        &["silences_pkey|silences_look_at_idx"],
    ),
    hot(
        WORKER,
        "update helpline.silences set look_at",
        "{server}, gen_random_uuid(), now(), now()",
        &["silences_pkey"],
    ),
    hot(WORKER, "delete from helpline.silences", "{server}, gen_random_uuid()", &["silences_pkey"]),
    // A suggestion for staff, as persons ask for it --------------------------------------------------------------
    other(WORKER, Kind::Rare, "insert into helpline.suggestions"),
    other(WORKER, Kind::Rare, "delete from helpline.suggestions"),
    // What is counted ----------------------------------------------------------------------------------------------
    hot(
        WORKER,
        "insert into public.analytics as known",
        "array[{server}], array[current_date], array[1], array[0], array[0], array[0], array[1], array[900]",
        &["arbiter analytics_server_id_date_key"],
    ),
    hot(
        WORKER,
        "insert into helpline.resolutions as known",
        "{server}, 77, current_date, false, true",
        &["arbiter resolutions_pkey", "feedback_pkey"],
    ),
    hot(WORKER, "delete from helpline.resolutions", "{server}, 77", &["resolutions_pkey"]),
    other(WORKER, Kind::Rare, "select p.days as \"days!\""),
    other(WORKER, Kind::Rare, "select config::text as \"config!\", (select count(*)"),
    other(WORKER, Kind::Rare, "select shard_id from public.server_shards where server_id = $1"),
    // Replies that are kept ready: as persons use them -----------------------------------------------------------
    other(
        WORKER,
        Kind::Rare,
        "select name, content as text from helpline.canned_replies where server_id = $1 order",
    ),
    other(
        WORKER,
        Kind::Rare,
        "select name, content as text from helpline.canned_replies where server_id = $1 and",
    ),
    other(WORKER, Kind::Rare, "insert into helpline.canned_replies as known"),
    other(WORKER, Kind::Rare, "delete from helpline.canned_replies"),
];
