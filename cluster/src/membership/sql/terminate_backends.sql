-- The direct connections of a worker: a frozen leader would keep its lock otherwise.
select count(pg_terminate_backend(a.pid)) as "ended!"
from pg_stat_activity a
where a.application_name like 'helpline-%'
    and a.application_name like '% ' || $1::text
    and a.pid <> pg_backend_pid()
    and a.usename = current_user
