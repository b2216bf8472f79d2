-- The weights tell the ranker where a lexeme stood: A = title, B = heading, none = the passage itself.
insert into helpline.knowledge_passages (server_id, document_id, ordinal, heading, content, lexemes)
select
    $1,
    $2,
    (p.number - 1)::integer,
    p.heading,
    p.content,
    setweight(to_tsvector($3::text::regconfig, $4::text), 'A')
    || setweight(to_tsvector($3::text::regconfig, p.searchable_heading), 'B')
    || to_tsvector($3::text::regconfig, p.searchable_content)
from unnest($5::text[], $6::text[], $7::text[], $8::text[])
    with ordinality as p (heading, content, searchable_heading, searchable_content, number)
