-- The lexemes of each turn, and which version of the server's knowledge they are to be looked up in.
select
    coalesce((select v.version from helpline.knowledge_versions as v where v.server_id = $1), 0) as "version!",
    array(
        select to_tsvector($2::text::regconfig, t.turn)::text
        from unnest($3::text[]) with ordinality as t (turn, number)
        order by t.number
    ) as "turns!"
