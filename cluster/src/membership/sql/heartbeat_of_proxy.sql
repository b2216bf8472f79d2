-- No row = declared dead.
update helpline.proxies
set last_heartbeat = clock_timestamp()
where id = $1
