with released as (
    update helpline.gateway_shards g
    set owner = null, up = false
    from unnest($2::integer[], $3::integer[]) as given (total, id)
    where g.total = given.total and g.id = given.id and g.owner = $1
    returning g.id
)
select pg_notify('helpline_membership', '')::text as notified from released limit 1
