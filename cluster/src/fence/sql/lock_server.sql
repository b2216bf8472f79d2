-- FOR SHARE makes a move of the server to another shard wait for this transaction.
select 1 as "held!"
from public.server_shards
where server_id = $1
    and shard_id = $2
for share
