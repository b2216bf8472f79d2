with done as (
    update helpline.gap_channels set given_up = $4, requests = $5
    where gap_id = $1 and server_id = $2 and channel_id = $3
)
update helpline.gaps set channels_given_up = channels_given_up + 1, requests = requests + $5 where id = $1
