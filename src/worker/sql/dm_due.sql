select user_id, channel_id, event_id, lang, reply_to
from helpline.dm_desk
where state = 'due'
order by at
limit 50
