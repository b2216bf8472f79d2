-- A row that is there already was left by an owner that ended while it stood.
insert into helpline.shard_trials (shard_id, held_of) values ($1, $2)
on conflict (shard_id, held_of) do update set deaths = shard_trials.deaths + 1, since = now()
returning stream_id, deaths, (deaths = 0) as "is_new!"
