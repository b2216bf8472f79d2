-- Their channels go with them.
delete from helpline.gaps
where id = any (array(
    select id from helpline.gaps
    where state <> 'open' and finished_at < now() - make_interval(days => $1)
    limit 1000
))
