-- How far the vectors of a server are, and who may write them.
select
    v.version as "version!",
    s.config as "config!",
    p.shard_id as "shard_id!",
    coalesce(d.vectors_version = v.version and d.vectors_model = $2, false) as "done!"
from helpline.knowledge_versions as v
join public.servers as s on s.id = v.server_id
join public.server_shards as p on p.server_id = v.server_id
left join helpline.knowledge_derived as d on d.server_id = v.server_id
where v.server_id = $1
