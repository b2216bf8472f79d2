-- What nobody chose a server for, whom the bot has not seen for long, and whoever has not written for long.
with waiting as (
    delete from helpline.dm_waiting
    where ctid = any (array(
        select ctid from helpline.dm_waiting where waits_since < now() - interval '1 day' limit 1000
    ))
), desk as (
    delete from helpline.dm_desk
    where ctid = any (array(select ctid from helpline.dm_desk where at < now() - interval '2 days' limit 1000))
), members as (
    delete from helpline.dm_members
    where ctid = any (array(
        select ctid from helpline.dm_members where seen_at < now() - interval '400 days' limit 1000
    ))
)
delete from helpline.dm_routes
where ctid = any (array(
    select ctid from helpline.dm_routes where checked_at < now() - interval '400 days' limit 1000
))
