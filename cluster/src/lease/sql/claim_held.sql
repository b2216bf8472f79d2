-- As claim_free for one shard, and waits for the transactions that hold its fence.
with held as (
    select f.shard_id, f.owner
    from helpline.shard_fences f
    join helpline.shard_assignments a on a.shard_id = f.shard_id
    where f.shard_id = $2
        and a.worker_id = $1
        -- never from a live owner, never for one that has been declared dead
        and (
            f.owner is null
            or f.owner = $1
            or not exists (select from helpline.workers w where w.id = f.owner)
        )
        and exists (select from helpline.workers w where w.id = $1)
    for no key update of f
)
update helpline.shard_fences f
set epoch = greatest(f.epoch, $3::bigint) + 1, claim_token = gen_random_uuid(), owner = $1, claimed_at = clock_timestamp()
from held
where f.shard_id = held.shard_id
returning
    f.shard_id,
    f.epoch,
    f.claim_token as "claim_token!",
    held.owner as previous,
    exists (select from helpline.shard_trials t where t.shard_id = f.shard_id and t.held_of = 0) as "marked!"
