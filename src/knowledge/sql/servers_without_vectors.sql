-- Servers of these shards whose documents have changed since all their passages had a vector by the model.
select v.server_id as "server_id!"
from public.server_shards as p
join helpline.knowledge_versions as v on v.server_id = p.server_id
join public.servers as s on s.id = v.server_id and s.active
left join helpline.knowledge_derived as d on d.server_id = v.server_id
where p.shard_id = any ($1)
    and (d.vectors_version is distinct from v.version or d.vectors_model is distinct from $2)
order by v.server_id
limit $3
