-- The old set is gone once it has no gateway shards and all of the next one serve. The last old gateway shard may have
-- gone after the new ones were looked at: then one of them is still held back, and a set that rises no more would
-- leave it so.
delete from helpline.gateway_sets s
where s.state = 'serving'
    and exists (select from helpline.gateway_sets r where r.state = 'rising')
    and not exists (select from helpline.gateway_shards o where o.total = s.total)
    and not exists (
        select from helpline.gateway_shards n
        join helpline.gateway_sets r on r.total = n.total
        where r.state = 'rising' and n.phase = 'held'
    )
