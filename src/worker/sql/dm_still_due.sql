select event_id from helpline.dm_desk where user_id = $1 and event_id = $2 and state = 'due' for update
