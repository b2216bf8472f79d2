-- What was measured since the last time, on top of what has decayed: by half every ten minutes, so that a steady
-- amount a second comes to stand at that amount. Sorted, so that two workers never wait for each other crosswise.
insert into helpline.server_load as known (server_id, load_milli, measured_at)
select given.server_id, given.amount_milli * ln(2) / 600, clock_timestamp()
from unnest($1::bigint[], $2::double precision[]) as given (server_id, amount_milli)
join public.servers on servers.id = given.server_id
order by given.server_id
on conflict (server_id) do update
set load_milli = known.load_milli
        * power(
            0.5::float8,
            least(greatest(extract(epoch from excluded.measured_at - known.measured_at)::float8, 0), 60000) / 600
        )
        + excluded.load_milli,
    measured_at = excluded.measured_at
