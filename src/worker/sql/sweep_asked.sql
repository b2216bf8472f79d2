-- Everything given out before this moment.
delete from helpline.asked
where ctid = any (array(select ctid from helpline.asked where event_id < $1 limit 5000))
