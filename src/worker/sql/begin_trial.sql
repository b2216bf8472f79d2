-- A row that is there already was left by an owner that ended while it stood.
insert into helpline.shard_trials (shard_id) values ($1)
on conflict (shard_id) do update set deaths = shard_trials.deaths + 1, since = now()
returning stream_id, deaths, (deaths = 0) as "is_new!"
