//! Queries of direct messages.

use super::{Kind, Query, WORKER, hot, other};

pub const QUERIES: &[Query] = &[
    // For each direct message, and each press in one ---------------------------------------------------------------
    hot(
        WORKER,
        "select r.server_id, p.shard_id from helpline.dm_routes r",
        "77",
        &[
            "dm_routes_pkey",
            "servers_pkey",
            "server_shards_pkey",
            "dm_waiting_pkey|dm_waiting_user_id_origin_key",
        ],
    ),
    hot(
        WORKER,
        "select d.server_id, p.shard_id from helpline.dm_conversations d",
        "gen_random_uuid(), 77",
        &["dm_conversations_pkey", "server_shards_pkey"],
    ),
    hot(
        WORKER,
        "select c.username, d.staff_thread as \"staff_thread?\"",
        "{server}, gen_random_uuid()",
        &["conversations_pkey", "dm_conversations_pkey|dm_conversations_server_id_conversation_id_key"],
    ),
    // For each question that is answered anew ----------------------------------------------------------------------
    hot(
        WORKER,
        "select part, message_id from helpline.outbox",
        "{server}, '77', 'answer'",
        &["outbox_server_id_event_id_effect_part_key"],
    ),
    // For each question and interaction ----------------------------------------------------------------------------
    hot(
        WORKER,
        "insert into helpline.dm_members as known",
        "array[77, 78], array[{server}, {server}]",
        &["arbiter dm_members_pkey"],
    ),
    // Every second by the owner of shard 0 -------------------------------------------------------------------------
    hot(WORKER, "select user_id, channel_id, event_id, lang, reply_to", "", &["dm_desk_due_idx"]),
    hot(WORKER, "select id, event_id, effect, request, created_at, extract", "", &["dm_outbox_pkey"]),
    // Of members whose server is not known, and of talks with a human ------------------------------------------------
    other(WORKER, Kind::Rare, "with waits as ( insert into helpline.dm_waiting"),
    other(WORKER, Kind::Rare, "insert into helpline.dm_waiting"),
    other(WORKER, Kind::Rare, "select user_id as \"user_id!\" from helpline.dm_routes"),
    other(WORKER, Kind::Rare, "insert into helpline.dm_desk as known"),
    other(WORKER, Kind::Rare, "select s.name, p.shard_id from helpline.dm_desk d"),
    other(WORKER, Kind::Rare, "insert into helpline.dm_routes"),
    other(WORKER, Kind::Rare, "with taken as ( delete from helpline.dm_waiting"),
    other(WORKER, Kind::Rare, "select event_id from helpline.dm_desk"),
    other(WORKER, Kind::Rare, "update helpline.dm_desk set state"),
    other(WORKER, Kind::Rare, "select s.id as server_id, s.name from helpline.dm_routes r"),
    other(WORKER, Kind::Rare, "with used as ( select s.id, s.name, m.seen_at"),
    other(WORKER, Kind::Rare, "select shard_id from public.server_shards where server_id = $1 for share"),
    other(WORKER, Kind::Rare, "delete from helpline.dm_waiting where user_id"),
    other(WORKER, Kind::Rare, "insert into helpline.dm_outbox"),
    other(WORKER, Kind::Rare, "update helpline.dm_outbox set attempted_at"),
    other(WORKER, Kind::Rare, "delete from helpline.dm_outbox where id"),
    other(WORKER, Kind::Rare, "insert into helpline.dm_conversations"),
    other(WORKER, Kind::Rare, "update helpline.dm_conversations set staff_thread"),
    // Once an hour
    other(WORKER, Kind::Rare, "with waiting as ( delete from helpline.dm_waiting"),
];
