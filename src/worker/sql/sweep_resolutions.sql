-- As in helpline.roll_up_analytics: what happens to such a question changes no number any more.
delete from helpline.resolutions
where ctid = any (array(
    select ctid from helpline.resolutions
    where day < (date_trunc('month', now() at time zone 'utc') - interval '13 months')::date
    limit 5000
))
