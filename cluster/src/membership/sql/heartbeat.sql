-- No row = declared dead.
update helpline.workers
set last_heartbeat = clock_timestamp()
where id = $1
