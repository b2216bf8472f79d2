insert into helpline.knowledge_passages (server_id, document_id, ordinal, heading, content, lexemes)
select $1, $2, (p.number - 1)::integer, p.heading, p.content, p.lexemes::tsvector
from unnest($3::text[], $4::text[], $5::text[]) with ordinality as p (heading, content, lexemes, number)
