update helpline.dm_desk
set state = $2, reply_to = null, offered = coalesce($3, offered), at = now()
where user_id = $1
