-- The questions of these are beyond the reach of any list.
delete from helpline.knowledge_gaps
where ctid = any (array(
    select ctid from helpline.knowledge_gaps where shown_at < now() - interval '60 days' limit 1000
))
