-- Two that plan at once, for a moment, plan a server once: the index of open moves decides. FOR SHARE, because a move that
-- ends meanwhile would otherwise leave the shard of before it in this one, and nobody could carry it out.
insert into helpline.server_moves (server_id, from_shard, to_shard)
select given.server_id, given.from_shard, given.to_shard
from unnest($1::bigint[], $2::integer[], $3::integer[]) as given (server_id, from_shard, to_shard)
join public.server_shards p on p.server_id = given.server_id and p.shard_id = given.from_shard
join public.shards s on s.id = given.to_shard
for share of p
on conflict (server_id) where state <> 'done' do nothing
