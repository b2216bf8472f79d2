delete from helpline.server_moves
where ctid = any (array(
    select ctid from helpline.server_moves where state = 'done' and done_at < now() - interval '1 day' limit 5000
))
