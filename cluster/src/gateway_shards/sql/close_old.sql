-- An old gateway shard closes once every new one that gets some of its servers has its session: those whose ids
-- leave the same remainder by the greatest common divisor of both totals.
update helpline.gateway_shards o
set phase = 'closing'
from helpline.gateway_sets s, helpline.gateway_sets r
where s.state = 'serving'
    and r.state = 'rising'
    and o.total = s.total
    and o.phase = 'serving'
    and not exists (
        select from helpline.gateway_shards n
        where n.total = r.total
            and n.id % gcd(s.total, r.total) = o.id % gcd(s.total, r.total)
            and not (n.phase = 'held' and n.up)
    )
