-- The proxies keep what they published until the shard's owner has durably applied it: they read how far he is, and
-- under which incarnation, which tells them that Redis lost a stream.
grant select (shard_id, incarnation, cursor_seq) on table helpline.shard_streams to helpline_proxy;
create policy shard_streams_proxy on helpline.shard_streams for select to helpline_proxy using (true);
