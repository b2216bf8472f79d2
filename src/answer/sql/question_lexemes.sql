-- The lexemes of each turn, and which version of the server's knowledge they are to be looked up in. vectors_version: up
-- to where all passages have their vectors by the model; 0 = nothing is known.
select
    coalesce((select v.version from helpline.knowledge_versions as v where v.server_id = $1), 0) as "version!",
    coalesce((
        select d.vectors_version from helpline.knowledge_derived as d where d.server_id = $1 and d.vectors_model = $4
    ), 0) as "vectors_version!",
    array(
        select to_tsvector($2::text::regconfig, t.turn)::text
        from unnest($3::text[]) with ordinality as t (turn, number)
        order by t.number
    ) as "turns!"
