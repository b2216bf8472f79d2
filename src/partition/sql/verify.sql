-- Conversations that are not in the copies as they are in the default partition.
select count(*)
from helpline.conversations_default d
full join (
    select {columns} from helpline.conversations_s{server}
    union all
    select {columns} from helpline.conversations_default_next
) c on c.server_id = d.server_id and c.id = d.id
where row({of_default}) is distinct from row({of_copy})
