delete from helpline.outbox
where (server_id, id) in (
    select server_id, id from helpline.outbox
    where state <> 'pending' and sent_at < now() - interval '1 day'
    limit 5000
)
