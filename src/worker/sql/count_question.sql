-- Counts a question, unless the member has asked as many as he may within an hour of it. Then the earliest of these is
-- returned: an hour after it he may ask again. What was counted before is neither counted twice nor in its own way.
with nth as (
    select event_id
    from helpline.asked
    where server_id = $1 and user_id = $2 and event_id between $4 and $5 and event_id <> $3
    order by event_id desc
    offset $6
    limit 1
), counted as (
    insert into helpline.asked (server_id, user_id, event_id)
    select $1, $2, $3 where not exists (select from nth)
    on conflict (server_id, user_id, event_id) do nothing
)
select event_id as "event_id!" from nth
