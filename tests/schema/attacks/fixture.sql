-- What the attacks are run against. Server ...01 is ours, ...02 theirs, ...03 of a third, in a partition of its own.
-- Users: a...1 admin of ours, a...2 admin of theirs, a...3 of none, a...4 of ours and theirs, a...5 of the third.
-- No table is empty, so that "no rows" never means that there was nothing to take.
insert into auth.users (id)
select ('a0000000-0000-0000-0000-00000000000' || n)::uuid from generate_series(1, 5) n;
insert into public.users (id, discord_id, discord_username)
select ('a0000000-0000-0000-0000-00000000000' || n)::uuid, '500' || n, 'user ' || n from generate_series(1, 5) n;
insert into public.billing_plans (id, name, price, interval) values
    ('b0000000-0000-0000-0000-000000000001', 'Pro', 10, 'monthly'),
    ('b0000000-0000-0000-0000-000000000002', 'Enterprise', 900, 'yearly');
insert into public.servers (id, name, config, plan_id)
select 1100000000000000000 + n, 'server ' || n,
    jsonb_build_object('enabled', false, 'system_prompt', 'secret prompt ' || n),
    'b0000000-0000-0000-0000-000000000001'
from generate_series(1, 3) n;
insert into public.server_shards (server_id, shard_id) select id, 3 from public.servers;
insert into public.server_admins (server_id, user_id) values
    (1100000000000000001, 'a0000000-0000-0000-0000-000000000001'),
    (1100000000000000001, 'a0000000-0000-0000-0000-000000000004'),
    (1100000000000000002, 'a0000000-0000-0000-0000-000000000002'),
    (1100000000000000002, 'a0000000-0000-0000-0000-000000000004'),
    (1100000000000000003, 'a0000000-0000-0000-0000-000000000005');
insert into helpline.pending_admins (server_id, discord_id) select id, '7007' from public.servers;
insert into public.knowledge_documents (id, server_id, title, content, file_type)
select ('d0000000-0000-0000-0000-00000000000' || n)::uuid, 1100000000000000000 + n, 'title ' || n,
    'secret document ' || n, 'txt'
from generate_series(1, 3) n;

create table helpline.conversations_third (like public.conversations including defaults including constraints);
alter table helpline.conversations_third enable row level security;
revoke all on table helpline.conversations_third from public, anon, authenticated, service_role;
alter table public.conversations
    attach partition helpline.conversations_third for values in (1100000000000000003);

insert into public.conversations (id, server_id, channel_id, thread_id, user_id, username, transcript)
select ('c0000000-0000-0000-0000-00000000000' || n)::uuid, 1100000000000000000 + n, '77', '88' || n, '99' || n,
    'member ' || n, jsonb_build_array('secret talk ' || n)
from generate_series(1, 3) n;
insert into public.forwarded_tickets (id, server_id, conversation_id)
select ('f0000000-0000-0000-0000-00000000000' || n)::uuid, server_id, id
from public.conversations, generate_series(1, 3) n where server_id = 1100000000000000000 + n;
update public.conversations set status = 'forwarded';
insert into public.subscriptions (id, server_id, plan_id, status, current_period_start, current_period_end)
select ('50000000-0000-0000-0000-00000000000' || n)::uuid, 1100000000000000000 + n,
    'b0000000-0000-0000-0000-000000000001', 'active', '2026-01-01', '2027-01-01'
from generate_series(1, 3) n;
insert into public.invoices (id, subscription_id, server_id, amount, status, invoice_date, due_date)
select ('10000000-0000-0000-0000-00000000000' || n)::uuid, ('50000000-0000-0000-0000-00000000000' || n)::uuid,
    1100000000000000000 + n, 10 * n, 'open', '2026-01-01', '2026-02-01'
from generate_series(1, 3) n;
insert into public.analytics (server_id, date, total_queries) select id, '2026-01-01', 41 from public.servers;

insert into helpline.workers (id, name) values ('e0000000-0000-0000-0000-000000000001', 'w1');
insert into helpline.proxies (id, name) values ('e0000000-0000-0000-0000-000000000002', 'p1');
insert into helpline.gateway_sets (total, state) values (2, 'serving');
insert into helpline.gateway_shards (total, id, owner)
values (2, 1, 'e0000000-0000-0000-0000-000000000002');
insert into helpline.shard_assignments (shard_id, worker_id)
values (3, 'e0000000-0000-0000-0000-000000000001');
insert into helpline.event_keys (key) values ('\x01');
insert into helpline.answer_jobs (server_id, conversation_id, event_id, job)
select server_id, id, 'event', '{"question": "secret"}' from public.conversations;
insert into helpline.asked (server_id, user_id, event_id) select id, 99, 88 from public.servers;
insert into helpline.model_spent (server_id, day, tokens) select id, current_date, 5 from public.servers;
insert into helpline.silences (server_id, conversation_id, since, look_at)
select server_id, id, now(), now() from public.conversations;
insert into helpline.canned_replies (server_id, name, content, created_by) select id, 'name', 'secret', 99 from public.servers;
insert into helpline.suggestions (server_id, ticket_id, id, content)
select server_id, id, gen_random_uuid(), 'secret' from public.forwarded_tickets;
insert into helpline.resolutions (server_id, question_id, day, assumed) select id, 88, '2026-01-01', true from public.servers;
insert into helpline.feedback (server_id, question_id, conversation_id, user_id, helpful)
select server_id, 88, id, 99, false from public.conversations;
insert into helpline.outbox (server_id, conversation_id, event_id, effect, request)
select server_id, id, 'event', 'answer', '{"content": "secret"}' from public.conversations;
insert into helpline.dead_letters (shard_id, server_id, stream_id, kind, payload, error)
select 3, id, '1-' || id, 'X', '{"content": "secret"}', 'e' from public.servers;
insert into helpline.shard_trials (shard_id) values (3);
insert into helpline.channel_marks (server_id, channel_id, message_id) select id, 77, 88 from public.servers;
insert into helpline.gaps (gateway_total, gateway_id, cause, from_at) values (1, 0, 'session_lost', '2026-01-01');
insert into helpline.gap_channels (gap_id, server_id, channel_id, after_id)
select gap.id, server.id, 77, 88 from helpline.gaps gap, public.servers server;
insert into helpline.conversation_changes (server_id, id) select server_id, id from public.conversations;
insert into helpline.knowledge_passages (server_id, document_id, ordinal, content, lexemes)
select server_id, id, 0, content, content_vector from public.knowledge_documents;
insert into helpline.knowledge_indexed (server_id, document_id, content_hash)
select server_id, id, '\x01' from public.knowledge_documents;
insert into helpline.knowledge_vectors (server_id, document_id, ordinal, model, vector)
select server_id, document_id, ordinal, 'm', '\x01' from helpline.knowledge_passages;
insert into helpline.knowledge_derived (server_id, vectors_version) select id, 1 from public.servers;
insert into helpline.knowledge_originals (server_id, document_id, content_hash, file)
select server_id, id, '\x01', 'secret' from public.knowledge_documents;
insert into helpline.knowledge_drafts (server_id, id, title, content, file_type, filename, added_by)
select id, gen_random_uuid(), 'secret', 'secret', 'md', '', 9 from public.servers;
insert into helpline.knowledge_gaps (server_id, id, title, questions)
select id, gen_random_uuid(), 'secret', array[88] from public.servers;
insert into helpline.server_moves (server_id, from_shard, to_shard) select id, 3, 4 from public.servers;
insert into helpline.held_events (shard_id, server_id, origin, kind, received_at_ms, payload)
select 4, id, 'a:1', 'MESSAGE_CREATE', 0, '{"content": "secret"}' from public.servers;
insert into helpline.server_load (server_id, load_milli) select id, 7 from public.servers;
insert into helpline.dm_routes (user_id, server_id, channel_id) select id, id, 77 from public.servers;
insert into helpline.dm_members (user_id, server_id) select 99, id from public.servers;
insert into helpline.dm_waiting (user_id, channel_id, origin, kind, received_at_ms, payload)
values (99, 77, 'a:1', 'DIRECT_MESSAGE_CREATE', 0, '{"content": "secret"}');
insert into helpline.dm_desk (user_id, channel_id, event_id, lang, state) values (99, 77, 88, 'en', 'asked');
insert into helpline.dm_outbox (user_id, event_id, effect, request) values (99, '88', 'choose', '{"content": "secret"}');
insert into helpline.dm_conversations (conversation_id, server_id, user_id) select id, server_id, 99 from public.conversations;
