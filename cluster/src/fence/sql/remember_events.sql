-- Sorted, so that two shards which remember the same keys wait for each other in one order.
insert into helpline.event_keys (key)
select key
from unnest($1::bytea[]) as given (key)
order by key
on conflict (key) do nothing
returning key
