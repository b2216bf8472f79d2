-- Servers that take direct messages in which a member has used the bot, the last one first. And all others, where the bot
-- serves so few that each can be asked for him.
with used as (
    select s.id, s.name, m.seen_at
    from helpline.dm_members m
    join public.servers s on s.id = m.server_id
    where m.user_id = $1 and s.active and s.config -> 'enabled' = 'true'::jsonb
    order by m.seen_at desc
    limit $2
), few as (
    select s.id, s.name
    from public.servers s
    where s.active and s.config -> 'enabled' = 'true'::jsonb
    limit $2 + 1
)
select all_of.id as "server_id!", all_of.name as "name!"
from (
    select used.id, used.name, used.seen_at from used
    union all
    select few.id, few.name, null
    from few
    where (select count(*) from few) <= $2 and not exists (select from used where used.id = few.id)
) all_of
order by all_of.seen_at desc nulls last, all_of.id
limit $2
