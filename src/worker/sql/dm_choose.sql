insert into helpline.dm_routes (user_id, server_id, channel_id)
values ($1, $2, $3)
on conflict (user_id) do update
set server_id = excluded.server_id, channel_id = excluded.channel_id, checked_at = now(),
    chosen_at = case when dm_routes.server_id = excluded.server_id then dm_routes.chosen_at else now() end
