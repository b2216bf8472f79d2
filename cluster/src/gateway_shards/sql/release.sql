with released as (
    update helpline.gateway_shards
    set owner = null, up = false
    where total = $1 and id = $2 and owner = $3 and epoch = $4
    returning id
)
select pg_notify('helpline_membership', '')::text as notified from released
