//! Queries of documents and passages as admins change them.

use super::{Kind, Query, WORKER, other};

/// All for a person's command.
pub const QUERIES: &[Query] = &[
    other(WORKER, Kind::Rare, "select documents as \"documents!\", bytes as \"bytes!\""),
    other(WORKER, Kind::Rare, "select title, file_type, octet_length(content)::bigint"),
    other(
        WORKER,
        Kind::Rare,
        "select id, title from public.knowledge_documents where server_id = $1 and position",
    ),
    other(WORKER, Kind::Rare, "select d.id, d.title, ( select count(*) from helpline.knowledge_passages p"),
    other(WORKER, Kind::Rare, "delete from public.knowledge_documents where server_id = $1 and id = $2"),
    other(WORKER, Kind::Rare, "select d.title, d.content, d.file_type, d.created_at, d.updated_at"),
    other(WORKER, Kind::Rare, "select d.title, ( select count(*) from helpline.knowledge_passages p"),
    other(WORKER, Kind::Rare, "select ( select d.title from public.knowledge_documents d"),
    other(WORKER, Kind::Rare, "with changed as ( update public.knowledge_documents"),
    other(WORKER, Kind::Rare, "insert into helpline.knowledge_originals"),
    other(WORKER, Kind::Rare, "insert into helpline.knowledge_drafts"),
    other(WORKER, Kind::Rare, "delete from helpline.knowledge_drafts"),
    other(WORKER, Kind::Rare, "select 1 as held from public.servers where id = $1 for no key update"),
    other(
        WORKER,
        Kind::Rare,
        "update helpline.outbox set state = 'sent', sent_at = now(), attempts = attempts + 1",
    ),
    other(WORKER, Kind::Rare, "select count(*) as \"waiting!\" from helpline.outbox"),
    // Gaps
    other(WORKER, Kind::Rare, "select questions from helpline.knowledge_gaps"),
    other(WORKER, Kind::Rare, "select coalesce(c.thread_id, c.channel_id) as \"channel!\", c.transcript"),
    other(WORKER, Kind::Rare, "insert into helpline.knowledge_gaps"),
    other(WORKER, Kind::Rare, "select title from helpline.knowledge_gaps"),
    other(WORKER, Kind::Rare, "update helpline.knowledge_gaps set document_id"),
    other(WORKER, Kind::Rare, "delete from helpline.knowledge_gaps"),
];
