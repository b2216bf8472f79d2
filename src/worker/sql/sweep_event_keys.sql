-- Two days: Discord replays minutes, backfill reaches back a day at the most.
delete from helpline.event_keys
where ctid = any (array(select ctid from helpline.event_keys where seen_at < now() - interval '2 days' limit 5000))
