-- A new gateway shard publishes once no old one is left that had some of its servers.
update helpline.gateway_shards n
set phase = 'serving'
from helpline.gateway_sets s, helpline.gateway_sets r
where s.state = 'serving'
    and r.state = 'rising'
    and n.total = r.total
    and n.phase = 'held'
    and not exists (
        select from helpline.gateway_shards o
        where o.total = s.total
            and o.id % gcd(s.total, r.total) = n.id % gcd(s.total, r.total)
    )
