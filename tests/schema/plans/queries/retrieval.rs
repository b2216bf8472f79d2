//! Queries of vectors and what retrieval reads.

use super::{Kind, Query, WORKER, hot, other};

pub const QUERIES: &[Query] = &[
    hot(
        WORKER,
        "select p.document_id as \"document_id!\", p.ordinal as \"ordinal!\", p.heading",
        "{server}",
        &["knowledge_passages_pkey"],
    ),
    hot(
        WORKER,
        "select d.id, d.title from public.knowledge_documents as d where d.server_id = $1",
        "{server}",
        &["knowledge_documents_server_id_idx|knowledge_documents_server_id_id_key"],
    ),
    hot(
        WORKER,
        "select v.document_id as \"document_id!\", v.ordinal as \"ordinal!\", v.vector",
        "{server}, '1:dir:a'",
        &["knowledge_vectors_pkey"],
    ),
    hot(
        WORKER,
        "select v.version as \"version!\" from helpline.knowledge_versions as v left join",
        "{server}, '1 english'",
        &["knowledge_versions_pkey", "knowledge_derived_pkey"],
    ),
    hot(
        WORKER,
        "insert into helpline.knowledge_derived (server_id, passages_version",
        "{server}, 1, '1 english'",
        &["arbiter knowledge_derived_pkey"],
    ),
    hot(
        WORKER,
        "insert into helpline.knowledge_derived (server_id, vectors_version",
        "{server}, 1, '1:dir:a'",
        &["arbiter knowledge_derived_pkey"],
    ),
    hot(
        WORKER,
        "delete from helpline.knowledge_derived where server_id = $1",
        "{server}",
        &["knowledge_derived_pkey"],
    ),
    hot(
        WORKER,
        "select v.version as \"version!\", s.config as \"config!\", p.shard_id",
        "{server}, '1:dir:a'",
        &["knowledge_versions_pkey", "servers_pkey", "server_shards_pkey", "knowledge_derived_pkey"],
    ),
    hot(
        WORKER,
        "select p.document_id as \"document_id!\", p.ordinal as \"ordinal!\", d.title",
        "{server}, '1:dir:a', gen_random_uuid(), 7, 32",
        &[
            "knowledge_passages_pkey",
            "knowledge_vectors_pkey",
            "knowledge_documents_pkey|knowledge_documents_server_id_idx|knowledge_documents_server_id_id_key",
        ],
    ),
    hot(
        WORKER,
        "insert into helpline.knowledge_vectors (server_id,",
        r"{server}, '1:dir:a', array[gen_random_uuid()], array[1], array['77'], array['\x01'::bytea]",
        &["knowledge_passages_pkey", "arbiter knowledge_vectors_pkey"],
    ),
    // Once a minute by every worker: the servers of its shards, whatever they are.
    other(WORKER, Kind::Whole, "select v.server_id as \"server_id!\" from public.server_shards as p join"),
];
