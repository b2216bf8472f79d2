-- Takes what is free at this moment; the epoch is also in milliseconds, so that it stays above what Redis knows.
with free as (
    select g.total, g.id, g.owner
    from helpline.gateway_shards g
    join unnest($2::integer[], $3::integer[]) as wanted (total, id)
        on wanted.total = g.total and wanted.id = g.id
    -- never from a live holder, never for a proxy that has been declared dead
    where (
            g.owner is null
            or g.owner = $1
            or not exists (select from helpline.proxies p where p.id = g.owner)
        )
        and exists (select from helpline.proxies p where p.id = $1)
    order by g.total, g.id
    for no key update of g skip locked
)
update helpline.gateway_shards g
set owner = $1,
    epoch = greatest(g.epoch + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint),
    up = false,
    claimed_at = clock_timestamp()
from free
where g.total = free.total and g.id = free.id
returning g.total, g.id, g.epoch, g.phase, free.owner as previous
