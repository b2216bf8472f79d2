select
    p.document_id as "document_id!",
    p.ordinal as "ordinal!",
    p.heading as "heading!",
    p.content as "content!",
    p.lexemes as "lexemes!: Lexemes"
from helpline.knowledge_passages as p
where p.server_id = $1
