-- The version of the server's documents, unless all their passages have been made of it. No row = nothing is to be done.
select v.version as "version!"
from helpline.knowledge_versions as v
left join helpline.knowledge_derived as d on d.server_id = v.server_id
where v.server_id = $1 and (d.passages_version is distinct from v.version or d.passages_from is distinct from $2)
