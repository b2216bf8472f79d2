-- Of one model: vectors of another would be compared in vain.
select v.document_id as "document_id!", v.ordinal as "ordinal!", v.vector as "vector!"
from helpline.knowledge_vectors as v
where v.server_id = $1 and v.model = $2
