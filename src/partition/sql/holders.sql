select
    l.pid as "pid!",
    a.usename::text as "user?",
    a.application_name as "application?",
    extract(epoch from clock_timestamp() - a.xact_start)::float8 as "seconds?"
from (
    select distinct l.pid
    from pg_locks l
    where l.locktype = 'relation' and l.granted and l.pid <> pg_backend_pid()
        and l.database = (select d.oid from pg_database d where d.datname = current_database())
        and l.relation in (
            'public.conversations'::regclass,
            'helpline.conversations_default'::regclass,
            'public.forwarded_tickets'::regclass,
            'helpline.answer_jobs'::regclass,
            'helpline.feedback'::regclass,
            'public.servers'::regclass
        )
) l
left join pg_stat_activity a on a.pid = l.pid
order by a.xact_start nulls last, l.pid
limit 5
