-- FOR SHARE makes a claim wait for this transaction. FOR KEY SHARE or a plain exists would let
-- a superseded owner commit after the claim.
select 1 as "held!"
from helpline.shard_fences
where shard_id = $1
    and epoch = $2
    and claim_token = $3
    and owner = $4
for share
