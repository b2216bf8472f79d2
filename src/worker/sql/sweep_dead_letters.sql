delete from helpline.dead_letters
where ctid = any (array(
    select ctid from helpline.dead_letters where created_at < now() - make_interval(days => $1) limit 1000
))
