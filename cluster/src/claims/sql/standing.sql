-- The shards that are or should be mine, and whether their owner lets me claim them.
select
    f.shard_id,
    f.epoch,
    f.claim_token,
    f.owner,
    a.worker_id as "assigned?",
    (
        f.owner is null
        or f.owner = $1
        or not exists (select from helpline.workers w where w.id = f.owner)
    ) as "claimable!"
from helpline.shard_fences f
left join helpline.shard_assignments a on a.shard_id = f.shard_id
where a.worker_id = $1
    or f.owner = $1
order by f.shard_id
