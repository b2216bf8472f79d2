-- What a member has said in a server goes, wherever it is kept: his conversations lose every word in them, those of others
-- his words. Counters stay. A ticket's message is shown again, without the question that it quoted; the staff's own notes
-- stay. Ids of the conversations stay too, so that a thread is not taken for a new one.
with own as (
    update public.conversations
    set transcript = '[]', username = '', status = case status when 'active' then 'completed' else status end,
        completed_at = case status when 'active' then now() else completed_at end
    where server_id = $1 and user_id = $2 and (transcript <> '[]' or username <> '')
    returning id
), theirs as (
    update public.conversations c
    set transcript = (
        select coalesce(jsonb_agg(said.turn order by said.n), '[]')
        from jsonb_array_elements(c.transcript) with ordinality as said (turn, n)
        where said.turn ->> 'role' <> 'member' or said.turn ->> 'user' <> $2
    )
    where c.server_id = $1 and c.user_id <> $2
        and c.transcript @> jsonb_build_array(jsonb_build_object('role', 'member', 'user', $2))
    returning id
), jobs as (
    delete from helpline.answer_jobs where server_id = $1 and job ->> 'author' = $2
), votes as (
    delete from helpline.feedback where server_id = $1 and user_id = $3 returning question_id
), seen as (
    delete from helpline.dm_members where user_id = $3 and server_id = $1
), route as (
    delete from helpline.dm_routes where user_id = $3 and server_id = $1
), waiting as (
    delete from helpline.dm_waiting where user_id = $3
), letters as (
    delete from helpline.dead_letters where server_id = $1 and payload -> 'author' ->> 'id' = $2
), delivered as (
    delete from helpline.outbox o using own
    where o.server_id = $1 and o.state <> 'pending' and o.conversation_id = own.id
), shown as (
    insert into helpline.outbox (server_id, conversation_id, event_id, effect, request)
    select t.server_id, t.conversation_id, 'ticket:' || gen_random_uuid(), 'ticket',
        jsonb_build_object('do', 'show_ticket', 'ticket', t.id)
    from public.forwarded_tickets t
    join own on own.id = t.conversation_id
    where t.server_id = $1 and t.message_id is not null
)
select (select count(*) from own) + (select count(*) from theirs) as "conversations!",
    (select count(*) from votes) as "votes!"
