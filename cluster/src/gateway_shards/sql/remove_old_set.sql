-- The old set is gone once it has no gateway shards and another stands ready.
delete from helpline.gateway_sets s
where s.state = 'serving'
    and exists (select from helpline.gateway_sets r where r.state = 'rising')
    and not exists (select from helpline.gateway_shards o where o.total = s.total)
