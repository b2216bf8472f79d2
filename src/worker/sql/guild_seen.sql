-- Names and icons are compared first: GUILD_CREATE comes for every server at every new session.
update public.servers
set name = coalesce($2, name), icon_url = $3, active = true
where id = $1 and (name, icon_url, active) is distinct from (coalesce($2, name), $3, true)
