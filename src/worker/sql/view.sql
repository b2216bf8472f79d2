-- What only the database knows of the whole cluster, in one row. All of it is small: rows of shards and workers, questions that
-- wait, and the outbox through the index of what is pending.
select
    shards.online as "online!", shards.starting as "starting!", shards.stopping as "stopping!",
    shards.offline as "offline!", shards.unowned as "unowned!", shards.silent_s as "shards_silent_s!",
    workers.working as "working!", workers.draining as "draining!", workers.silent_s as "workers_silent_s!",
    questions.number as "questions!", questions.oldest_s as "questions_oldest_s!",
    effects.number as "effects!", effects.oldest_s as "effects_oldest_s!",
    gaps.number as "gaps!", gaps.oldest_s as "gaps_oldest_s!",
    (select count(*) from helpline.dead_letters) as "dead_letters!",
    (select count(*) from helpline.held_events) as "held!"
from (
    select
        count(*) filter (where s.status = 'online') as online,
        count(*) filter (where s.status = 'starting') as starting,
        count(*) filter (where s.status = 'stopping') as stopping,
        count(*) filter (where s.status = 'offline') as offline,
        count(*) filter (where w.id is null) as unowned,
        coalesce(
            extract(epoch from clock_timestamp() - min(s.last_heartbeat) filter (where w.id is not null)), 0
        )::float8 as silent_s
    from public.shards s
    left join helpline.shard_fences f on f.shard_id = s.id
    left join helpline.workers w on w.id = f.owner
) as shards,
(
    select
        count(*) filter (where not draining) as working,
        count(*) filter (where draining) as draining,
        coalesce(extract(epoch from clock_timestamp() - min(last_heartbeat)), 0)::float8 as silent_s
    from helpline.workers
) as workers,
(
    select
        count(*) as number,
        coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as oldest_s
    from helpline.answer_jobs
) as questions,
(
    select
        count(*) as number,
        coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as oldest_s
    from helpline.outbox
    where state = 'pending'
) as effects,
(
    select
        count(*) as number,
        coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as oldest_s
    from helpline.gaps
    where state = 'open'
) as gaps
