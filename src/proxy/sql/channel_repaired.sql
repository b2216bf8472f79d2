with done as (
    delete from helpline.gap_channels where gap_id = $1 and server_id = $2 and channel_id = $3
)
update helpline.gaps set messages = messages + $4, requests = requests + $5 where id = $1
