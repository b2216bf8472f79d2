-- In one order, so that two transactions that count for the same servers do not wait for each other.
insert into public.analytics as known
    (server_id, date, total_queries, resolved_queries, assumed_resolutions, forwarded_tickets, responses, response_ms,
    average_response_time)
select t.server_id, t.date, t.queries, t.resolved, t.assumed, t.forwarded, t.responses,
    t.response_ms, round(t.response_ms / 1000.0 / nullif(t.responses, 0), 2)
from unnest($1::bigint[], $2::date[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::integer[], $8::bigint[])
    as t (server_id, date, queries, resolved, assumed, forwarded, responses, response_ms)
order by t.server_id, t.date
on conflict (server_id, date) do update
set total_queries = known.total_queries + excluded.total_queries,
    forwarded_tickets = known.forwarded_tickets + excluded.forwarded_tickets,
    responses = known.responses + excluded.responses,
    response_ms = known.response_ms + excluded.response_ms,
    average_response_time = round(
        (known.response_ms + excluded.response_ms) / 1000.0 / nullif(known.responses + excluded.responses, 0), 2
    ),
    resolved_queries = known.resolved_queries + excluded.resolved_queries,
    assumed_resolutions = known.assumed_resolutions + excluded.assumed_resolutions
