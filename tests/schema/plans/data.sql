-- {n} conversations and {n} passages of {servers} servers, and what goes with them. Server 1 and 2 have partitions of
-- their own; server 1 has a tenth of everything.
set synchronous_commit = off;
insert into public.shards (id) select generate_series(8, 63);
insert into helpline.shard_fences (shard_id, epoch, claim_token, owner)
select id, 1, gen_random_uuid(), gen_random_uuid() from public.shards on conflict do nothing;
insert into helpline.shard_streams (shard_id, incarnation) select id, 1 from public.shards on conflict do nothing;

insert into public.servers (id, name, updated_at)
select s, 'server ' || s, now() - s * interval '1 minute' from generate_series(1, {servers}) s;
insert into public.server_shards (server_id, shard_id, assigned_at)
select s, s % 64, now() - s * interval '1 minute' from generate_series(1, {servers}) s;
create table helpline.conversations_s1 partition of public.conversations for values in (1);
create table helpline.conversations_s2 partition of public.conversations for values in (2);

insert into public.conversations
    (server_id, channel_id, thread_id, user_id, username, transcript, status, created_at)
select case when n % 10 = 0 then 1 else 1 + n % {servers} end, (n % 1000)::text, n::text, (n % 5000)::text, 'ada',
    jsonb_build_object('said', md5(n::text)),
    case when n % 20 = 0 then 'forwarded' when n % 50 = 1 then 'active' else 'completed' end,
    now() - n * interval '10 seconds'
from generate_series(1, {n}) n;
insert into public.forwarded_tickets (server_id, conversation_id, status)
select server_id, id, case when thread_id::bigint % 200 = 0 then 'pending' else 'resolved' end
from public.conversations where status = 'forwarded';
insert into helpline.answer_jobs (server_id, conversation_id, event_id, job)
select server_id, id, thread_id, '{}' from public.conversations where status = 'active';

insert into helpline.asked (server_id, user_id, event_id)
select 1 + n % {servers}, n % 5000, n::bigint << 22 from generate_series(1, {n}) n;

insert into helpline.model_spent (server_id, day, tokens) select s, current_date, s from generate_series(1, {servers}) s;

insert into helpline.feedback (server_id, question_id, conversation_id, user_id, helpful)
select server_id, thread_id::bigint, id, user_id::bigint, status = 'completed' from public.conversations
where status <> 'forwarded';

insert into helpline.silences (server_id, conversation_id, since, look_at)
select server_id, id, now(), now() + thread_id::bigint * interval '1 minute' from public.conversations
where thread_id::bigint % 5 = 1;
insert into helpline.resolutions (server_id, question_id, day, assumed)
select server_id, question_id, current_date, false from helpline.feedback where helpful;
insert into public.analytics (server_id, date)
select s, current_date - n from generate_series(1, {servers}) s cross join generate_series(1, 3) n;

insert into helpline.outbox (server_id, conversation_id, event_id, effect, request, state, sent_at)
select c.server_id, c.id, c.thread_id, 'answer', '{}', case when c.n % ({n} / 200) = 0 then 'pending' else 'sent' end,
    case when c.n % ({n} / 200) <> 0 then now() - interval '25 hours' + c.n * interval '25 hours' / {n} end
from (select server_id, id, thread_id, row_number() over () as n from public.conversations) c;

insert into helpline.outbox (server_id, conversation_id, event_id, effect, request)
select server_id, id, 'ticket:' || id, 'ticket', '{}' from public.conversations
where status = 'forwarded' and thread_id::bigint % 2000 = 0 limit 20;

insert into helpline.event_keys (key, seen_at)
select substring(sha256(convert_to(n::text, 'UTF8')) for 16), now() - interval '49 hours' + n * interval '49 hours' / {n}
from generate_series(1, {n}) n;

insert into helpline.server_moves (server_id, from_shard, to_shard, state, left_at, done_at)
select s, s % 64, (s + 1) % 64, case s % ({servers} / 20) when 0 then 'planned' when 1 then 'left' else 'done' end,
    now(), now() - s * interval '25 hours' / {servers}
from generate_series(1, {servers}) s;
insert into helpline.held_events (shard_id, server_id, origin, kind, received_at_ms, payload)
select s % 64, s, 'a:' || n, 'MESSAGE_CREATE', 0, 'x' from generate_series(1, 100) s cross join generate_series(1, 20) n;
insert into helpline.server_load (server_id, load_milli, measured_at)
select s, s, now() - s * interval '126 minutes' / {servers} from generate_series(1, {servers}) s;

insert into helpline.dm_routes (user_id, server_id, channel_id) select n, 1 + n % {servers}, n from generate_series(1, {n}) n;
insert into helpline.dm_members (user_id, server_id) select n, 1 + n % {servers} from generate_series(1, {n}) n;
insert into helpline.dm_desk (user_id, channel_id, event_id, lang, state)
select n, n, n, 'en', case when n % 5000 = 0 then 'due' else 'chosen' end from generate_series(1, {n}) n;
insert into helpline.dm_waiting (user_id, channel_id, origin, kind, received_at_ms, payload)
select n, n, 'a', 'x', 0, 'x' from generate_series(1, {n} / 10) n;
insert into helpline.dm_outbox (user_id, event_id, effect, request) select n, n, 'x', '{}' from generate_series(1, 1000) n;
insert into helpline.dm_conversations (conversation_id, server_id, user_id, staff_thread)
select id, server_id, 7, id::text from public.conversations where thread_id::bigint % 3 = 0;

alter table public.knowledge_documents disable trigger user;
insert into public.knowledge_documents (server_id, title, content, file_type)
select case when n % 10 = 0 then 1 else 1 + n % {servers} end, 'Document ' || n, repeat('What is written here. ', 40), 'md'
from generate_series(1, {n} / 20) n;
alter table public.knowledge_documents enable trigger user;
insert into helpline.knowledge_versions (server_id, version)
select s, 1 from generate_series(1, {servers}) s on conflict do nothing;
insert into helpline.knowledge_indexed (document_id, server_id, content_hash)
select id, server_id, sha256('x') from public.knowledge_documents;
insert into helpline.knowledge_passages (server_id, document_id, ordinal, heading, content, lexemes)
select server_id, id, o, title, 'What is written here, passage ' || o, 'here:4 written:3 passag:5'::tsvector
from public.knowledge_documents
cross join generate_series(0, 19) o;
insert into helpline.knowledge_vectors (server_id, document_id, ordinal, model, vector)
select server_id, document_id, ordinal, '1:dir:a', '\x0102' from helpline.knowledge_passages where ordinal < 10;
insert into helpline.knowledge_derived (server_id, vectors_version, vectors_model)
select s, 1, '1:dir:a' from generate_series(1, {servers}) s on conflict do nothing;
analyze;
