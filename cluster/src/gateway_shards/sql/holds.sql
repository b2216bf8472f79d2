-- Whether a gateway shard is a living proxy's, under this epoch.
select exists (
    select
    from helpline.gateway_shards g
    join helpline.proxies p on p.id = g.owner
    where g.total = $1 and g.id = $2 and g.owner = $3 and g.epoch = $4
) as "holds!"
