//! Every query of the programs: who runs it, how often, and which indexes it uses.
//!
//! A new one fails the tests until it stands here. Queries are told apart by how they begin, without comments.

use super::{Kind, Query};

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
pub const QUERIES: &[Query] = &[
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
        "select id, channel_id, thread_id, user_id, transcript, status from public.conversations \
         where server_id = $1 and id = $2",
        "{server}, gen_random_uuid()",
        &["conversations_pkey"],
    ),
    hot(
        WORKER,
        "select id, channel_id, thread_id, user_id, transcript, status from public.conversations \
         where server_id = $1 and thread_id = $2",
        "{server}, '77'",
        &["conversations_server_id_thread_id_idx"],
    ),
    hot(
        WORKER,
        "insert into public.conversations (server_id, id, channel_id, thread_id,",
        "{server}, gen_random_uuid(), '1', '2', '3', 'ada', '[]', 'active'",
        &["arbiter conversations_pkey"],
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
        &["forwarded_tickets_pkey|forwarded_tickets_server_id_idx", "conversations_pkey"],
    ),
    hot(
        WORKER,
        "with open as ( select id, conversation_id, assigned_to",
        "{server}",
        &["forwarded_tickets_open_idx|forwarded_tickets_server_id_idx", "conversations_pkey"],
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
        "select id, job from helpline.answer_jobs where server_id = $1 and conversation_id = $2",
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
        "select distinct lanes.server_id as \"server_id!\"",
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
        "{server}, 'english', array['where is it']",
        &["knowledge_versions_pkey"],
    ),
    hot(
        WORKER,
        "select p.document_id as \"document_id!\"",
        "{server}",
        &[
            "knowledge_documents_server_id_idx|knowledge_documents_server_id_id_key",
            "knowledge_passages_pkey",
        ],
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
    other(WORKER, Kind::Rare, "select distinct lanes.conversation_id"),
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
    // The cluster: tables with a row for each shard or worker ---------------------------------------------------
    other(WORKER, Kind::Small, "select exists (select from helpline.shard_fences where owner = $1)"),
    // Stems, and reads no table
    other(WORKER, Kind::Rare, "select array( select ( setweight("),
    // Gaps: rare, and small ----------------------------------------------------------------------------------------
    other(PROXY, Kind::Rare, "select helpline.open_gap("),
    other(PROXY, Kind::Rare, "select helpline.list_new_threads("),
    other(PROXY, Kind::Rare, "select helpline.notice_channels("),
    other(PROXY, Kind::Rare, "select id from helpline.gaps where id = $1 for update"),
    other(PROXY, Kind::Rare, "select helpline.adopt_gaps("),
    other(PROXY, Kind::Rare, "select id, requests, case when shard_id is null"),
    other(PROXY, Kind::Rare, "select server_id, channel_id, after_id from helpline.gap_channels"),
    other(PROXY, Kind::Rare, "with done as ( delete from helpline.gap_channels"),
    other(PROXY, Kind::Rare, "with done as ( update helpline.gap_channels"),
    other(PROXY, Kind::Rare, "update helpline.gaps g set state"),
    // Events put aside, and owners that ended -------------------------------------------------------------------
    other(WORKER, Kind::Rare, "insert into helpline.dead_letters"),
    other(WORKER, Kind::Rare, "select l.id, l.server_id, l.stream_id, l.kind, l.payload, l.origin"),
    other(WORKER, Kind::Rare, "delete from helpline.dead_letters where id = $1"),
    other(WORKER, Kind::Rare, "update helpline.dead_letters set replay_requested_at = null"),
    other(WORKER, Kind::Rare, "update helpline.dead_letters set replay_requested_at = now()"),
    other(WORKER, Kind::Rare, "select id, shard_id, server_id, kind, error, tries, created_at"),
    other(WORKER, Kind::Rare, "select kind, stream_id, origin, error, payload from helpline.dead_letters"),
    other(WORKER, Kind::Rare, "insert into helpline.shard_trials"),
    other(WORKER, Kind::Rare, "update helpline.shard_trials"),
    other(WORKER, Kind::Rare, "delete from helpline.shard_trials"),
    other(WORKER, Kind::Small, "select id from helpline.workers where not draining"),
    other(WORKER, Kind::Small, "select incarnation, cursor_seq from helpline.shard_streams"),
    other(PROXY, Kind::Small, "select shard_id, incarnation, cursor_seq from helpline.shard_streams"),
    other(WORKER, Kind::Small, "with fences as ( insert into helpline.shard_fences"),
    other(WORKER, Kind::Small, "insert into helpline.shard_assignments"),
    other(WORKER, Kind::Small, "select s.id, s.server_count, a.worker_id"),
    other(WORKER, Kind::Small, "update helpline.shard_streams set incarnation"),
    other(WORKER, Kind::Small, "select f.shard_id, f.epoch, f.claim_token, f.owner"),
    other(WORKER, Kind::Small, "select 1 as \"held!\" from helpline.shard_fences"),
    other(WORKER, Kind::Small, "update helpline.shard_streams set cursor_seq"),
    other(WORKER, Kind::Small, "with free as ( select f.shard_id"),
    other(WORKER, Kind::Small, "with held as ( select f.shard_id"),
    other(WORKER, Kind::Small, "with released as ( update helpline.shard_fences"),
    other(WORKER, Kind::Small, "with reported as ( select"),
    other(WORKER, Kind::Small, "select exists (select from helpline.workers where id <> $1"),
    other(WORKER, Kind::Small, "update helpline.workers set draining"),
    other(WORKER, Kind::Small, "delete from helpline.workers where id = $1"),
    other(WORKER, Kind::Small, "insert into helpline.workers (id, name)"),
    other(WORKER, Kind::Small, "with gone as ( delete from helpline.workers"),
    other(WORKER, Kind::Small, "update helpline.workers set last_heartbeat"),
    other(WORKER, Kind::Small, "with orphaned as ("),
    // Proxies: tables with a row for each of them and each gateway shard -----------------------------------------
    other(PROXY, Kind::Small, "insert into helpline.proxies (id, name)"),
    other(PROXY, Kind::Small, "update helpline.proxies set last_heartbeat"),
    other(PROXY, Kind::Small, "update helpline.proxies set draining"),
    other(PROXY, Kind::Small, "delete from helpline.proxies where id = $1"),
    other(PROXY, Kind::Small, "with gone as ( delete from helpline.proxies"),
    other(PROXY, Kind::Small, "with locked as materialized ( select l.objid"),
    other(PROXY, Kind::Rare, "with held as ( select l.objid"),
    other(PROXY, Kind::Small, "select id, draining from helpline.proxies"),
    other(PROXY, Kind::Small, "select total, state from helpline.gateway_sets"),
    other(PROXY, Kind::Small, "select total from helpline.gateway_sets order by total for update"),
    other(PROXY, Kind::Small, "select total, id, phase, up, owner from helpline.gateway_shards"),
    other(PROXY, Kind::Small, "with free as ( select g.total, g.id"),
    other(PROXY, Kind::Small, "update helpline.gateway_shards set epoch"),
    other(PROXY, Kind::Small, "select exists ( select from helpline.gateway_shards g join helpline.proxies"),
    other(PROXY, Kind::Small, "with released as ( update helpline.gateway_shards set owner = null"),
    other(PROXY, Kind::Small, "with released as ( update helpline.gateway_shards g"),
    other(PROXY, Kind::Small, "with gone as ( delete from helpline.gateway_shards"),
    other(PROXY, Kind::Small, "with reported as ( update helpline.gateway_shards"),
    other(PROXY, Kind::Rare, "insert into helpline.gateway_sets (total, state)"),
    other(PROXY, Kind::Rare, "insert into helpline.gateway_shards (total, id, phase)"),
    other(PROXY, Kind::Small, "update helpline.gateway_shards o set phase = 'closing'"),
    other(PROXY, Kind::Small, "update helpline.gateway_shards n set phase = 'serving'"),
    other(PROXY, Kind::Small, "delete from helpline.gateway_sets s"),
    other(PROXY, Kind::Small, "delete from helpline.gateway_sets r"),
    other(PROXY, Kind::Small, "update helpline.gateway_sets set state = 'serving'"),
    // The cluster: sessions and locks, no table -----------------------------------------------------------------
    other(WORKER, Kind::Small, "select pg_backend_pid() as \"pid!\""),
    other(WORKER, Kind::Small, "with recursive chain (pid) as ("),
    other(WORKER, Kind::Small, "select exists ( select from pg_locks"),
    other(WORKER, Kind::Small, "select pg_advisory_unlock_shared($1, $2)"),
    other(WORKER, Kind::Small, "select pg_notify($1, $2)"),
    other(WORKER, Kind::Small, "select pg_try_advisory_lock_shared($1, $2)"),
    other(WORKER, Kind::Small, "select pg_try_advisory_xact_lock($1, $2)"),
    other(WORKER, Kind::Small, "select pg_advisory_lock($1, $2)"),
    other(WORKER, Kind::Small, "with held as materialized ( select l.objid"),
    other(WORKER, Kind::Small, "select count(pg_terminate_backend(a.pid))"),
    // Commands of a person, and events that hardly ever come ----------------------------------------------------
    other(WORKER, Kind::Rare, "select 1 from public.servers where id = $1"),
    other(WORKER, Kind::Rare, "select config from public.servers where id = $1 for no key update"),
    other(
        WORKER,
        Kind::Rare,
        "select config::text as \"config!\" from public.servers where id = $1 for no key update",
    ),
    other(WORKER, Kind::Rare, "update public.servers set config = case when $2"),
    other(WORKER, Kind::Rare, "select id, content = $3 and file_type = $4 as \"same!\""),
    other(WORKER, Kind::Rare, "update public.knowledge_documents set content = $3"),
    other(
        WORKER,
        Kind::Rare,
        "insert into public.knowledge_documents (server_id, title, content, file_type)",
    ),
    other(WORKER, Kind::Rare, "select name, active, config from public.servers where id = $1"),
    other(WORKER, Kind::Rare, "update public.servers set config = $2 where id = $1"),
    other(OWNER, Kind::Rare, "select format('alter role %I password %L'"),
    other(OWNER, Kind::Rare, "select pg_try_advisory_lock(hashtextextended($1, 0))"),
    other(OWNER, Kind::Rare, "with wanted as ( select generate_series(0, $1::integer - 1)"),
    other(OWNER, Kind::Rare, "select x.indisvalid from pg_index x"),
    other(OWNER, Kind::Rare, "select c.relname::text as \"table!\" from pg_class"),
    other(OWNER, Kind::Rare, "select c.relname::text as \"table!\", i.inhparent is not null"),
    other(OWNER, Kind::Rare, "select exists ( select from pg_trigger t"),
    other(OWNER, Kind::Rare, "select exists (select from public.servers where id = $1)"),
    other(OWNER, Kind::Rare, "select n.nspname || '.' || c.relname as \"table!\""),
    other(OWNER, Kind::Rare, "select r.rolname::text as \"owner!\""),
    other(OWNER, Kind::Rare, "select format('%I', a.attname) as \"column!\""),
    other(OWNER, Kind::Rare, "select l.pid as \"pid!\", a.usename::text"),
    other(OWNER, Kind::Rare, "select format('alter table %s validate constraint %I'"),
    // Tests, demo and benchmarks: as the owner, at any price -----------------------------------------------------
    other(OWNER, Kind::Elsewhere, "select array(select to_tsvector($1::text::regconfig"),
    other(OWNER, Kind::Elsewhere, "select count(*) as \"count!\" from"),
    other(OWNER, Kind::Elsewhere, "insert into helpline.event_keys (key) values ($1)"),
    other(OWNER, Kind::Elsewhere, "select shard_fences.shard_id, shard_fences.epoch"),
    other(OWNER, Kind::Elsewhere, "select (select count(*) from helpline.workers)"),
    other(OWNER, Kind::Elsewhere, "select workers.name, count(*) as \"in_flight!\""),
    other(OWNER, Kind::Elsewhere, "select server_id from public.server_admins"),
    other(OWNER, Kind::Elsewhere, "insert into public.billing_plans"),
    other(OWNER, Kind::Elsewhere, "insert into public.conversations (server_id, channel_id, user_id,"),
    other(OWNER, Kind::Elsewhere, "select status from public.conversations"),
    other(OWNER, Kind::Elsewhere, "select version from helpline.knowledge_versions"),
];

/// What a hot query may read as a whole: how it begins, and the table.
pub const READ_AS_A_WHOLE: &[(&str, &str)] = &[
    // Once for each claim of a shard, and the questions that wait are few.
    ("select distinct lanes.server_id", "answer_jobs"),
    // Every second by every worker: all but empty.
    ("select to_shard as \"shard_id!\"", "held_events"),
];
