-- Takes what can be had at once; what a transaction holds is left to claim_held.
with free as (
    select f.shard_id, f.owner, wanted.above
    from unnest($2::integer[], $3::bigint[]) as wanted (shard_id, above)
    join helpline.shard_fences f on f.shard_id = wanted.shard_id
    join helpline.shard_assignments a on a.shard_id = f.shard_id
    where a.worker_id = $1
        -- never from a live owner, never for one that has been declared dead
        and (
            f.owner is null
            or f.owner = $1
            or not exists (select from helpline.workers w where w.id = f.owner)
        )
        and exists (select from helpline.workers w where w.id = $1)
    order by f.shard_id
    for no key update of f skip locked
)
update helpline.shard_fences f
set epoch = greatest(f.epoch, free.above) + 1, claim_token = gen_random_uuid(), owner = $1, claimed_at = clock_timestamp()
from free
where f.shard_id = free.shard_id
returning
    f.shard_id,
    f.epoch,
    f.claim_token as "claim_token!",
    free.owner as previous,
    exists (select from helpline.shard_trials t where t.shard_id = f.shard_id and t.held_of = 0) as "marked!"
