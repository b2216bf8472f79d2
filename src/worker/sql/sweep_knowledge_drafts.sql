delete from helpline.knowledge_drafts
where ctid = any (array(
    select ctid from helpline.knowledge_drafts where created_at < now() - interval '1 hour' limit 100
))
