-- By then it has come down to a thousandth.
delete from helpline.server_load
where ctid = any (array(
    select ctid from helpline.server_load where measured_at < now() - interval '2 hours' limit 5000
))
