-- As long as no old gateway shard has begun to close, nothing depends on the new set.
delete from helpline.gateway_sets r
where r.state = 'rising'
    and ($1::integer is null or r.total = $1)
    and not exists (
        select from helpline.gateway_shards g
        where g.phase = 'closing' or (g.total = r.total and g.phase = 'serving')
    )
returning r.total
