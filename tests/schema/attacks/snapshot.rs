//! Everything that an attack could change: all rows, and what the catalogue says of objects and rights.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgPool};

/// Reads what an attack must not change.
pub struct Snapshot {
    query: String,
}

/// A hash by the name of what was hashed.
pub struct Taken(BTreeMap<String, String>);

/// What the catalogue holds, temporary schemas left out: they are the attacker's own and end with his session.
const CATALOGUE: [(&str, &str); 8] = [
    (
        "relations",
        "select c.oid, c.relname, c.relacl, c.relowner, c.relrowsecurity, c.relkind, c.reloptions from pg_class c
         join pg_namespace n on n.oid = c.relnamespace and n.nspname !~ '^pg_(toast_)?temp'",
    ),
    (
        "functions",
        "select p.oid, p.proacl, p.proowner, p.prosecdef, p.proconfig, p.prosrc from pg_proc p
         join pg_namespace n on n.oid = p.pronamespace and n.nspname !~ '^pg_(toast_)?temp'",
    ),
    (
        "types and operators",
        "select t.oid, t.typname from pg_type t
         join pg_namespace n on n.oid = t.typnamespace and n.nspname !~ '^pg_(toast_)?temp'
         union all
         select o.oid, o.oprname from pg_operator o
         join pg_namespace n on n.oid = o.oprnamespace and n.nspname !~ '^pg_(toast_)?temp'",
    ),
    ("schemas", "select oid, nspname, nspacl, nspowner from pg_namespace where nspname !~ '^pg_(toast_)?temp'"),
    ("policies", "select oid, polname, polrelid, polcmd, polroles, polqual::text, polwithcheck::text from pg_policy"),
    (
        "triggers",
        "select t.oid, t.tgname, t.tgenabled, t.tgrelid from pg_trigger t
         join pg_class c on c.oid = t.tgrelid
         join pg_namespace n on n.oid = c.relnamespace and n.nspname !~ '^pg_(toast_)?temp'",
    ),
    (
        "roles",
        "select r.rolname::text, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
             r.rolconfig, (select count(*) from pg_auth_members m where m.member = r.oid)
         from pg_roles r
         where r.rolname in
             ('anon', 'authenticated', 'service_role', 'helpline_worker', 'helpline_proxy', 'helpline_web')",
    ),
    (
        "extensions, large objects, languages, servers, settings, publications",
        "select oid, 'extension' from pg_extension
         union all select oid, 'object' from pg_largeobject_metadata
         union all select oid, 'language' from pg_language
         union all select oid, 'server' from pg_foreign_server
         union all select oid, 'event trigger' from pg_event_trigger
         union all select oid, 'publication' from pg_publication
         union all select setrole, setconfig::text from pg_db_role_setting
             where setdatabase = (select oid from pg_database where datname = current_database())",
    ),
];

impl Snapshot {
    pub async fn of(pool: &PgPool) -> Self {
        let tables: Vec<String> = sqlx::query_scalar(
            "select c.oid::regclass::text from pg_class c
             where c.relkind = 'r'
                 and c.relnamespace in ('public'::regnamespace, 'helpline'::regnamespace, 'auth'::regnamespace)",
        )
        .fetch_all(pool)
        .await
        .expect("tables are listed");
        let tables = tables.iter().map(|table| (table.as_str(), format!("select * from {table}")));
        let catalogue = CATALOGUE.iter().map(|(name, query)| (*name, (*query).to_owned()));
        let parts: Vec<String> = tables
            .chain(catalogue)
            .map(|(name, query)| {
                format!(
                    "select '{name}', md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from ({query}) t"
                )
            })
            .collect();
        Self { query: parts.join(" union all ") }
    }

    pub async fn take(&self, pool: &PgPool) -> Taken {
        let rows: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(self.query.as_str()))
            .fetch_all(pool)
            .await
            .expect("the owner reads everything");
        Taken(rows.into_iter().collect())
    }
}

impl Taken {
    /// What is not as it was.
    pub fn difference(&self, after: &Self) -> Option<Vec<String>> {
        let changed: Vec<String> = self
            .0
            .iter()
            .filter(|(name, hash)| after.0.get(*name) != Some(*hash))
            .map(|(name, _)| name.clone())
            .collect();
        (!changed.is_empty()).then_some(changed)
    }
}
