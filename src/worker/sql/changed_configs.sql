-- Of the cached configs those whose version is another one now. A server that is gone has none; one that never was there
-- is cached as 0.
select known.server_id as "server_id!", known.version as "was!", s.config_version as "is?"
from unnest($1::bigint[], $2::bigint[]) as known (server_id, version)
left join public.servers s on s.id = known.server_id
where coalesce(s.config_version, 0) <> known.version
