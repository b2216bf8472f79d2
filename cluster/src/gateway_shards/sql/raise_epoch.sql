-- Redis knows a higher epoch: the holder goes above it, unless it is the holder no more.
update helpline.gateway_shards
set epoch = greatest(epoch, $5) + 1
where total = $1 and id = $2 and owner = $3 and epoch = $4
returning epoch
