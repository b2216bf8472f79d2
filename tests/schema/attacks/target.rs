//! The database under attack, and who may come to it.

use std::fmt;

use helpline::migrate;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::snapshot::Snapshot;
use crate::support::{SHARDS, TestDb, execute, run};

pub const OURS: &str = "1100000000000000001";
pub const THEIRS: &str = "1100000000000000002";
pub const THIRD: &str = "1100000000000000003";

/// What attacks name by placeholders; the ids are those of fixture.sql.
const PLACEHOLDERS: [(&str, &str); 16] = [
    ("{ours}", OURS),
    ("{theirs}", THEIRS),
    ("{third}", THIRD),
    ("{admin}", "a0000000-0000-0000-0000-000000000001"),
    ("{other_admin}", "a0000000-0000-0000-0000-000000000002"),
    ("{stranger}", "a0000000-0000-0000-0000-000000000003"),
    ("{both}", "a0000000-0000-0000-0000-000000000004"),
    ("{plan}", "b0000000-0000-0000-0000-000000000001"),
    ("{dear_plan}", "b0000000-0000-0000-0000-000000000002"),
    ("{our_document}", "d0000000-0000-0000-0000-000000000001"),
    ("{their_document}", "d0000000-0000-0000-0000-000000000002"),
    ("{our_conversation}", "c0000000-0000-0000-0000-000000000001"),
    ("{their_conversation}", "c0000000-0000-0000-0000-000000000002"),
    ("{our_ticket}", "f0000000-0000-0000-0000-000000000001"),
    ("{their_ticket}", "f0000000-0000-0000-0000-000000000002"),
    ("{their_subscription}", "50000000-0000-0000-0000-000000000002"),
];

pub fn fill(text: &str) -> String {
    PLACEHOLDERS.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// How a session comes in and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    name: &'static str,
    login: Login,
    role: Option<&'static str>,
    claims: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    /// A login that may become anon or authenticated.
    Person,
    /// A login that may become service_role.
    Backend,
    /// helpline's own.
    Service(&'static str),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.claims {
            Some(claims) => {
                write!(f, "{} with claims {}", self.name, claims.chars().take(80).collect::<String>())
            }
            None => f.write_str(self.name),
        }
    }
}

impl Who {
    fn person(name: &'static str, user: &str) -> Self {
        let claims = format!(r#"{{"sub": "{}", "role": "authenticated"}}"#, fill(user));
        Self { name, login: Login::Person, role: Some("authenticated"), claims: Some(claims) }
    }

    /// Admin of ours.
    pub fn admin() -> Self {
        Self::person("admin", "{admin}")
    }

    /// Admin of ours and theirs.
    pub fn both() -> Self {
        Self::person("admin of two", "{both}")
    }

    /// Signed in, admin of nothing.
    pub fn stranger() -> Self {
        Self::person("stranger", "{stranger}")
    }

    pub fn anon() -> Self {
        Self { name: "anon", login: Login::Person, role: Some("anon"), claims: None }
    }

    /// authenticated, with these claims.
    pub fn claiming(claims: &str) -> Self {
        Self { claims: Some(fill(claims)), ..Self::admin() }
    }

    /// authenticated, and no claims at all.
    pub fn unclaimed() -> Self {
        Self { name: "unclaimed", claims: None, ..Self::admin() }
    }

    pub fn backend() -> Self {
        Self { name: "service_role", login: Login::Backend, role: Some("service_role"), claims: None }
    }

    pub fn worker() -> Self {
        Self::service("helpline_worker")
    }

    pub fn proxy() -> Self {
        Self::service("helpline_proxy")
    }

    pub fn web() -> Self {
        Self::service("helpline_web")
    }

    fn service(role: &'static str) -> Self {
        Self { name: role, login: Login::Service(role), role: None, claims: None }
    }

    /// Everybody who comes to the database, one for each set of rights.
    pub fn everybody() -> [Self; 8] {
        [
            Self::anon(),
            Self::admin(),
            Self::both(),
            Self::stranger(),
            Self::backend(),
            Self::worker(),
            Self::proxy(),
            Self::web(),
        ]
    }

    /// The role that grants are given to.
    pub fn granted_as(&self) -> &'static str {
        match self.login {
            Login::Service(role) => role,
            Login::Person | Login::Backend => self.role.expect("people take a role"),
        }
    }
}

pub struct Target {
    pub db: TestDb,
    pub snapshot: Snapshot,
    /// Dropped after the database.
    logins: Logins,
}

impl Target {
    pub async fn new() -> Self {
        // The reserved roles exist before helpline comes; another test's database brought them.
        TestDb::new().await;
        let db = TestDb::empty().await;
        run(
            &db.pool,
            "grant create on schema public to public;
             alter default privileges grant all on tables to anon, authenticated, service_role;
             alter default privileges grant all on functions to anon, authenticated, service_role;
             alter default privileges grant all on sequences to anon, authenticated, service_role;",
        )
        .await;
        migrate::run(&db.pool, migrate::Options { shards: SHARDS }).await.expect("it migrates");
        run(&db.pool, include_str!("fixture.sql")).await;
        let logins = Logins::create(&db).await;
        let snapshot = Snapshot::of(&db.pool).await;
        Self { db, snapshot, logins }
    }

    /// The login that PostgREST uses: no rights of its own, and may become anon, authenticated and service_role.
    pub fn authenticator_url(&self) -> String {
        let url = self.db.role_url(&self.logins.authenticator);
        // What follows are options of sqlx, which libpq does not know.
        url.split('?').next().expect("a first part").to_owned()
    }

    /// A connection of its own, in a transaction, as that person: what PostgREST does for a request.
    pub async fn session(&self, who: &Who) -> PgConnection {
        let login = match who.login {
            Login::Person => &self.logins.person,
            Login::Backend => &self.logins.backend,
            Login::Service(role) => role,
        };
        let mut session = PgConnection::connect(&self.db.role_url(login)).await.expect("they are let in");
        let mut opening = "begin".to_owned();
        if let Some(claims) = &who.claims {
            let quoted = claims.replace('\'', "''");
            opening += &format!("; select set_config('request.jwt.claims', '{quoted}', true)");
        }
        if let Some(role) = who.role {
            opening += &format!("; set local role {role}");
        }
        // A statement that hangs is an attack that got through.
        opening += "; set local statement_timeout = '20s'";
        execute(&mut session, opening).await;
        session
    }
}

/// Logins of this target's own, as roles are shared by all databases.
struct Logins {
    person: String,
    backend: String,
    authenticator: String,
}

impl Logins {
    async fn create(db: &TestDb) -> Self {
        let run_id = Uuid::new_v4().simple().to_string();
        let [person, backend, authenticator] =
            ["person", "backend", "authenticator"].map(|name| format!("helpline_test_{name}_{run_id}"));
        let statement = format!(
            "create role {person} login noinherit; grant anon, authenticated to {person};
             create role {backend} login noinherit; grant service_role to {backend};
             create role {authenticator} login noinherit;
             grant anon, authenticated, service_role to {authenticator};"
        );
        run(&db.pool, statement).await;
        Self { person, backend, authenticator }
    }
}

impl Drop for Logins {
    fn drop(&mut self) {
        let statement =
            format!("drop role if exists {}, {}, {}", self.person, self.backend, self.authenticator);
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(async {
                let url =
                    std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL is set: run `make test`");
                let mut server = PgConnection::connect(&url).await.expect("Postgres answers");
                execute(&mut server, statement).await;
            });
        });
        if dropping.join().is_err() && !std::thread::panicking() {
            panic!("the logins of an attack could not be dropped");
        }
    }
}
