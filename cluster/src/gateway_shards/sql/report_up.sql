with reported as (
    update helpline.gateway_shards g
    set up = given.up
    from unnest($2::integer[], $3::integer[], $4::boolean[]) as given (total, id, up)
    where g.total = given.total and g.id = given.id and g.owner = $1 and g.up <> given.up
    returning g.id
)
select pg_notify('helpline_membership', '')::text as notified from reported limit 1
