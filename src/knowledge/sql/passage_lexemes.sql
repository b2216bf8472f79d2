-- The weights tell the ranker where a lexeme stood: A = title, B = heading, none = the passage itself.
select array(
    select (
        setweight(to_tsvector($1::text::regconfig, $2::text), 'A')
        || setweight(to_tsvector($1::text::regconfig, p.heading), 'B')
        || to_tsvector($1::text::regconfig, p.content)
    )::text
    from unnest($3::text[], $4::text[]) with ordinality as p (heading, content, number)
    order by p.number
) as "lexemes!"
