-- $2: today; $3: periods in days.
select p.days as "days!",
    coalesce(sum(a.total_queries), 0)::bigint as "queries!",
    coalesce(sum(a.resolved_queries - a.assumed_resolutions), 0)::bigint as "confirmed!",
    coalesce(sum(a.assumed_resolutions), 0)::bigint as "assumed!",
    coalesce(sum(a.forwarded_tickets), 0)::bigint as "forwarded!",
    coalesce(sum(a.responses), 0)::bigint as "responses!",
    coalesce(sum(a.response_ms), 0)::bigint as "response_ms!"
from unnest($3::integer[]) as p (days)
left join public.analytics a on a.server_id = $1 and a.date > $2::date - p.days and a.date <= $2
group by p.days
order by p.days
