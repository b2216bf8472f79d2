-- Only from the incarnation that was looked at: two that notice the loss together raise it once.
update helpline.shard_streams
set incarnation = $3, cursor_seq = 0
where shard_id = $1
    and incarnation = $2
