//! Every query of the programs: who runs it, how often, and which indexes it uses.
//!
//! A new one fails the tests until it stands here. Queries are told apart by how they begin, without comments.

mod cluster;
mod direct;
mod knowledge;
mod members;
mod retrieval;
mod staff;
mod view;

use super::{Kind, Query};

/// All of them, by what they belong to.
pub const ALL: [&[Query]; 8] = [
    QUERIES,
    cluster::QUERIES,
    direct::QUERIES,
    knowledge::QUERIES,
    members::QUERIES,
    retrieval::QUERIES,
    staff::QUERIES,
    view::QUERIES,
];

const fn hot(
    role: &'static str,
    start: &'static str,
    args: &'static str,
    indexes: &'static [&'static str],
) -> Query {
    Query { role, start, kind: Kind::Hot { args, indexes } }
}

const fn other(role: &'static str, kind: Kind, start: &'static str) -> Query {
    Query { role, start, kind }
}

const WORKER: &str = "helpline_worker";
const PROXY: &str = "helpline_proxy";
/// The user that migrates.
const OWNER: &str = "";

/// `{server}` in the arguments is a server with a partition of its own, and one without.
const QUERIES: &[Query] = &[
    // Applying events and storing answers -------------------------------------------------------------------------
    hot(
        WORKER,
        "select 1 as \"held!\" from public.server_shards where server_id = $1 and shard_id = $2 for share",
        "{server}, 1",
        &["server_shards_pkey"],
    ),
    hot(
        WORKER,
        "with fence as ( select 1 from helpline.shard_fences",
        "1, 1, gen_random_uuid(), gen_random_uuid(), {server}",
        &["server_shards_pkey"],
    ),
    hot(
        WORKER,
        "with here as ( select server_id from public.server_shards where server_id = any ($1) and shard_id = $2",
        "array[{server}, 5], 1",
        &["server_shards_pkey", "held_events_pkey|held_events_shard_id_server_id_origin_key"],
    ),
    hot(
        WORKER,
        "insert into helpline.event_keys (key) select key from unnest",
        r"array['\x01'::bytea, '\x02']",
        &["arbiter event_keys_pkey"],
    ),
    hot(
        WORKER,
        "with nth as ( select event_id from helpline.asked",
        "{server}, 77, 88, 1, 99, 9",
        &["asked_pkey", "arbiter asked_pkey"],
    ),
    hot(
        WORKER,
        "select c.id, c.channel_id, c.thread_id, c.user_id, c.transcript, c.status, d.conversation_id is not null as \
         \"direct!\", d.staff_thread as \"staff_thread?\" from public.conversations c left join helpline.dm_conversations d \
         on d.server_id = $1 and d.conversation_id = c.id where c.server_id = $1 and c.id = $2",
        "{server}, gen_random_uuid()",
        &["conversations_pkey", "dm_conversations_pkey|dm_conversations_server_id_conversation_id_key"],
    ),
    hot(
        WORKER,
        "select c.id, c.channel_id, c.thread_id, c.user_id, c.transcript, c.status, d.conversation_id is not null as \
         \"direct!\", d.staff_thread as \"staff_thread?\" from public.conversations c left join helpline.dm_conversations d \
         on d.server_id = $1 and d.conversation_id = c.id where c.server_id = $1 and c.id = coalesce(",
        "{server}, '77'",
        &[
            "conversations_pkey",
            "conversations_server_id_thread_id_idx",
            "dm_conversations_staff_thread_idx",
            "dm_conversations_pkey|dm_conversations_server_id_conversation_id_key",
        ],
    ),
    hot(
        WORKER,
        "update public.conversations set thread_id = $3 where server_id = $1",
        "{server}, gen_random_uuid(), '7'",
        &["conversations_pkey"],
    ),
    other(WORKER, Kind::Rare, "update public.conversations set thread_id = null"),
    hot(
        WORKER,
        "select thread_id from public.conversations where server_id = $1",
        "{server}, gen_random_uuid()",
        &["conversations_pkey"],
    ),
    hot(
        WORKER,
        "insert into public.forwarded_tickets (id, server_id, conversation_id, status)",
        "gen_random_uuid(), {server}, gen_random_uuid(), 'pending'",
        &[],
    ),
    hot(
        WORKER,
        "select conversation_id, status, assigned_to, resolved_at, resolution_notes from public.forwarded_tickets",
        "{server}, gen_random_uuid()",
        &["forwarded_tickets_pkey|forwarded_tickets_server_id_idx"],
    ),
    hot(
        WORKER,
        "update public.forwarded_tickets set status = $3",
        "{server}, gen_random_uuid(), 'assigned', '9', null",
        &["forwarded_tickets_pkey|forwarded_tickets_server_id_idx"],
    ),
    hot(
        WORKER,
        "update public.forwarded_tickets set message_id = $3",
        "{server}, gen_random_uuid(), '7'",
        &["forwarded_tickets_pkey|forwarded_tickets_server_id_idx"],
    ),
    hot(
        WORKER,
        "select t.status as ticket_status",
        "{server}, gen_random_uuid()",
        &[
            "forwarded_tickets_pkey|forwarded_tickets_server_id_idx",
            "conversations_pkey",
            "dm_conversations_pkey|dm_conversations_server_id_conversation_id_key",
        ],
    ),
    hot(
        WORKER,
        "with open as ( select id, conversation_id, assigned_to",
        "{server}",
        &[
            "forwarded_tickets_open_idx|forwarded_tickets_server_id_idx",
            "conversations_pkey",
            "dm_conversations_pkey|dm_conversations_server_id_conversation_id_key",
        ],
    ),
    hot(
        WORKER,
        "select distinct s.shard_id as \"shard_id!\" from helpline.outbox o",
        "",
        &["outbox_tickets_idx", "server_shards_pkey"],
    ),
    hot(WORKER, "select helpful from helpline.feedback", "{server}, 77", &["feedback_pkey"]),
    hot(
        WORKER,
        "insert into helpline.feedback (server_id,",
        "{server}, 77, gen_random_uuid(), 88, true",
        &["arbiter feedback_pkey"],
    ),
    hot(
        WORKER,
        "insert into helpline.answer_jobs (server_id, conversation_id, event_id, job)",
        "{server}, gen_random_uuid(), '1', '{}'",
        &[],
    ),
    hot(
        WORKER,
        "select id, job, created_at from helpline.answer_jobs where server_id = $1 and conversation_id = $2",
        "{server}, gen_random_uuid()",
        &["answer_jobs_pkey|answer_jobs_server_id_event_id_key"],
    ),
    hot(
        WORKER,
        "delete from helpline.answer_jobs where server_id = $1 and id = $2",
        "{server}, 7",
        &["answer_jobs_pkey|answer_jobs_server_id_event_id_key"],
    ),
    hot(
        WORKER,
        "insert into helpline.outbox (server_id, conversation_id, event_id, effect, part, request)",
        "{server}, gen_random_uuid(), '1', 'answer', 0, '{}'",
        &[],
    ),
    hot(
        WORKER,
        "select id, event_id, effect, part, request, created_at, extract(epoch from now() - attempted_at)",
        "{server}, gen_random_uuid()",
        &["outbox_pending_idx"],
    ),
    hot(
        WORKER,
        "update helpline.outbox set attempted_at = coalesce",
        "{server}, array[7]",
        &["outbox_pending_idx"],
    ),
    hot(WORKER, "update helpline.outbox set attempted_at = now()", "{server}, 7", &["outbox_pending_idx"]),
    hot(
        WORKER,
        "insert into helpline.channel_marks as mark",
        "array[{server}]::bigint[], array[77]::bigint[], array[88]::bigint[]",
        &["arbiter channel_marks_pkey"],
    ),
    hot(
        WORKER,
        "select conversation_id from helpline.answer_jobs where server_id = $1",
        "{server}, '1'",
        &["answer_jobs_pkey|answer_jobs_server_id_event_id_key"],
    ),
    hot(
        WORKER,
        "select id, job from helpline.answer_jobs where server_id = $1 and event_id = $2",
        "{server}, '1'",
        &["answer_jobs_pkey|answer_jobs_server_id_event_id_key"],
    ),
    hot(
        WORKER,
        "update helpline.answer_jobs set job = $3",
        "{server}, 7, '{}'",
        &["answer_jobs_pkey|answer_jobs_server_id_event_id_key"],
    ),
    hot(
        WORKER,
        "delete from helpline.answer_jobs where server_id = $1 and id = $2 and coalesce",
        "{server}, 7, 0",
        &["answer_jobs_pkey|answer_jobs_server_id_event_id_key"],
    ),
    hot(
        WORKER,
        "delete from helpline.outbox where server_id = $1 and event_id = $2 and state = 'pending'",
        "{server}, '1'",
        &["outbox_pending_idx|outbox_server_id_event_id_effect_part_key"],
    ),
    hot(WORKER, "update helpline.outbox set state = 'sent'", "{server}, 7, '8'", &["outbox_pending_idx"]),
    hot(WORKER, "update helpline.outbox set state = 'failed'", "{server}, 7, 'no'", &["outbox_pending_idx"]),
    hot(
        WORKER,
        "select lanes.server_id as \"server_id!\"",
        "7",
        &["outbox_pending_idx", "server_shards_pkey|server_shards_shard_id_idx"],
    ),
    hot(
        WORKER,
        "update public.servers set active = false where id = $1 and active",
        "{server}",
        &["servers_pkey"],
    ),
    hot(
        WORKER,
        "update public.servers set name = coalesce($2, name), icon_url = $3",
        "{server}, 'a', 'b'",
        &["servers_pkey"],
    ),
    hot(
        WORKER,
        "select config::text as \"config!\", active, config_version from public.servers where id = $1",
        "{server}",
        &["servers_pkey"],
    ),
    hot(
        WORKER,
        "select known.server_id as \"server_id!\"",
        "array[{server}], array[1]::bigint[]",
        &["servers_pkey"],
    ),
    // Cleaning up, every minute ----------------------------------------------------------------------------------
    hot(WORKER, "delete from helpline.event_keys", "", &["event_keys_seen_at_idx"]),
    hot(WORKER, "delete from helpline.asked", "88", &["asked_event_id_idx"]),
    hot(
        WORKER,
        "with old as ( select o.ctid",
        "1",
        &["outbox_sent_at_idx", "server_shards_pkey|server_shards_shard_id_idx"],
    ),
    hot(WORKER, "delete from helpline.server_moves", "", &["server_moves_done_at_idx"]),
    hot(WORKER, "delete from helpline.server_load", "", &["server_load_measured_at_idx"]),
    hot(
        WORKER,
        "insert into helpline.model_spent (server_id,",
        "{server}, 77, '2026-11-30'",
        &["arbiter model_spent_pkey"],
    ),
    hot(WORKER, "select tokens from helpline.model_spent", "{server}, '2026-11-30'", &["model_spent_pkey"]),
    // Answering --------------------------------------------------------------------------------------------------
    hot(
        WORKER,
        "select coalesce((select v.version from helpline.knowledge_versions as v",
        "{server}, 'english', array['where is it'], ''",
        &["knowledge_versions_pkey", "knowledge_derived_pkey"],
    ),
    hot(
        WORKER,
        "select d.id as \"id!\", d.title as \"title!\", d.content as \"content!\"",
        "{server}, 'english', 8",
        &["knowledge_documents_server_id_id_key", "knowledge_indexed_pkey|knowledge_indexed_server_id_idx"],
    ),
    hot(
        WORKER,
        "insert into helpline.knowledge_indexed (document_id, server_id, content_hash)",
        r"{server}, gen_random_uuid(), '\x01'",
        &["arbiter knowledge_indexed_pkey", "knowledge_documents_pkey|knowledge_documents_server_id_id_key"],
    ),
    hot(
        WORKER,
        "insert into helpline.knowledge_passages (server_id, document_id, ordinal,",
        "{server}, gen_random_uuid(), array['a'], array['b'], array['''c'':1']",
        &[],
    ),
    hot(
        WORKER,
        "delete from helpline.knowledge_passages where server_id = $1 and document_id = $2",
        "{server}, gen_random_uuid()",
        &["knowledge_passages_pkey"],
    ),
    // Servers that move, and what they cost -----------------------------------------------------------------------
    hot(
        WORKER,
        "select to_shard as \"shard_id!\" from helpline.server_moves where state = 'left' union",
        "",
        &["server_moves_arriving_idx|server_moves_open_idx"],
    ),
    hot(WORKER, "select count(*) as \"open!\", count(*) filter", "10", &["server_moves_open_idx"]),
    hot(
        WORKER,
        "insert into helpline.server_load as known (server_id, load_milli, measured_at)",
        "array[{server}], array[7]",
        &["arbiter server_load_pkey", "servers_pkey"],
    ),
    hot(
        PROXY,
        "select server_id, move_id, from_shard, to_shard, state = 'left'",
        "",
        &["server_moves_open_idx"],
    ),
    other(WORKER, Kind::Whole, "with placed as ( select coalesce(m.to_shard, p.shard_id) as shard_id"),
    other(WORKER, Kind::Rare, "select c.server_id as \"server_id!\", source.shard_id"),
    other(WORKER, Kind::Rare, "insert into helpline.server_moves (server_id, from_shard, to_shard)"),
    other(WORKER, Kind::Rare, "select server_shards.server_id as \"server_id!\", server_shards.shard_id"),
    other(WORKER, Kind::Rare, "select server_id from helpline.server_moves where move_id = $1"),
    other(WORKER, Kind::Rare, "select server_moves.server_id as \"server_id!\", server_moves.from_shard"),
    other(WORKER, Kind::Rare, "with left_behind as ( update public.server_shards"),
    other(WORKER, Kind::Rare, "update helpline.server_moves set state = 'done'"),
    other(
        WORKER,
        Kind::Rare,
        "select server_id as \"server_id!\" from helpline.server_moves where to_shard = $1",
    ),
    other(WORKER, Kind::Rare, "select count(*) as \"held!\" from helpline.held_events"),
    other(WORKER, Kind::Rare, "insert into helpline.held_events"),
    other(WORKER, Kind::Rare, "select id, origin, kind, received_at_ms, payload from helpline.held_events"),
    other(WORKER, Kind::Rare, "delete from helpline.held_events where shard_id = $1"),
    other(WORKER, Kind::Rare, "select h.id from helpline.held_events h"),
    other(WORKER, Kind::Rare, "delete from helpline.gaps"),
    other(WORKER, Kind::Rare, "with taken as ( delete from helpline.held_events"),
    other(WORKER, Kind::Rare, "select lanes.conversation_id"),
    other(OWNER, Kind::Rare, "with loads as ( select p.shard_id, sum(helpline.decayed_load("),
    other(OWNER, Kind::Rare, "select coalesce(max(id) + 1, 0)::bigint as \"there!\" from public.shards"),
    // Routing ----------------------------------------------------------------------------------------------------
    hot(
        PROXY,
        "select s.id as server_id, p.shard_id, s.active and coalesce(s.config -> 'enabled' = 'true'::jsonb, false) as \
         \"listening!\", greatest(s.updated_at, p.assigned_at) as \"changed_at!\" from public.servers s \
         join public.server_shards p on p.server_id = s.id where s.id = any (array(",
        "now() - interval '10 minutes'",
        &["server_shards_assigned_at_idx", "server_shards_pkey", "servers_pkey", "servers_updated_at_idx"],
    ),
    hot(
        PROXY,
        "select s.id as server_id, p.shard_id, s.active and coalesce(s.config -> 'enabled' = 'true'::jsonb, false) as \
         \"listening!\", greatest(s.updated_at, p.assigned_at) as \"changed_at!\" from public.servers s \
         join public.server_shards p on p.server_id = s.id where s.id = any ($1)",
        "array[{server}, 3, 4]",
        &["server_shards_pkey", "servers_pkey"],
    ),
    other(
        PROXY,
        Kind::Whole,
        "select s.id as server_id, p.shard_id, s.active and coalesce(s.config -> 'enabled' = 'true'::jsonb, false) as \
         \"listening!\", greatest(s.updated_at, p.assigned_at) as \"changed_at!\" from public.servers s \
         join public.server_shards p on p.server_id = s.id",
    ),
    other(PROXY, Kind::Rare, "select count(*) as added from helpline.add_servers($1)"),
];
