-- Partitions in use first, then what a promotion builds or left behind.
select
    c.relname::text as "table!",
    i.inhparent is not null as "attached!",
    s.name as "server_name?",
    greatest(c.reltuples, 0)::bigint as "conversations!",
    pg_total_relation_size(c.oid) as "bytes!"
from pg_class c
left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = 'public.conversations'::regclass
left join public.servers s on s.id = substring(c.relname from '^conversations_s(\d{1,19})$')::bigint
where c.relnamespace = 'helpline'::regnamespace
    and c.relkind = 'r'
    and (c.relname ~ '^conversations_s\d{1,19}$' or c.relname like 'conversations\_default%')
order by i.inhparent is null, c.relname
