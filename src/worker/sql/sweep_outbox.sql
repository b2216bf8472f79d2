-- By ctid: a plan that looks each row up by its key again may read the whole table instead.
delete from helpline.outbox
where ctid = any (array(
    select ctid from helpline.outbox where state <> 'pending' and sent_at < now() - interval '1 day' limit 5000
))
