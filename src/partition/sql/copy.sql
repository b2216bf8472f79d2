-- The next {batch} conversations in the order of the key. What is there already was copied later than this, or is noted.
with batch as materialized (
    select {columns} from helpline.conversations_default
    where (server_id, id) > ($1, $2)
    order by server_id, id
    limit {batch}
), own as (
    insert into helpline.conversations_s{server} ({columns})
    select {columns} from batch where server_id = {server}
    on conflict do nothing
), rest as (
    insert into helpline.conversations_default_next ({columns})
    select {columns} from batch where server_id <> {server}
    on conflict do nothing
)
select server_id, id from batch order by server_id desc, id desc limit 1
