-- is_new false: what was assumed is confirmed now. No row: nothing changes, because it counts already, or because whoever asked
-- said that the answer did not help ($5: that matters).
insert into helpline.resolutions as known (server_id, question_id, day, assumed)
select $1, $2, $3, $4
where not $5 or not exists (
    select from helpline.feedback f where f.server_id = $1 and f.question_id = $2 and not f.helpful
)
on conflict (server_id, question_id) do update set assumed = false
where known.assumed and not excluded.assumed
returning day, assumed, xmax = 0 as "is_new!"
