-- Locked as every write of a server's rows is; a server that is just leaving the shard is left to its next owner.
-- By ctid: a plan that looks each row up by its key again may read the whole table instead.
with old as (
    select o.ctid
    from helpline.outbox o
    join public.server_shards s on s.server_id = o.server_id
    where s.shard_id = $1 and o.state <> 'pending' and o.sent_at < now() - interval '1 day'
    limit 5000
    for share of s skip locked
)
delete from helpline.outbox
where ctid = any (array(select ctid from old))
