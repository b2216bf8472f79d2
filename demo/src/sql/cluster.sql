select
    (select count(*) from helpline.workers) as "workers!",
    (select count(*) from helpline.shard_fences join helpline.workers on workers.id = shard_fences.owner) as "owned!"
