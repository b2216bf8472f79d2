//! The passwords of the service users, taken from the very URLs that the roles are started with: whoever deploys keeps
//! them in one place.
//!
//! Promise: nothing but `helpline_worker` and `helpline_proxy` gets a password, and no URL is told in an error.

use anyhow::{Context as _, bail};
use reqwest::Url;
use sqlx::PgPool;

use super::set_role_password;

#[derive(Debug, Clone, Default, clap::Args)]
pub struct SignInArgs {
    /// DATABASE_URL of the workers: helpline_worker is let in with the password in it [default: passwords stay as they are]
    #[arg(long, env = "WORKER_DATABASE_URL", hide_env_values = true)]
    pub worker_database_url: Option<String>,
    /// DATABASE_URL of the proxies: helpline_proxy is let in with the password in it [default: passwords stay as they are]
    #[arg(long, env = "PROXY_DATABASE_URL", hide_env_values = true)]
    pub proxy_database_url: Option<String>,
}

/// A service user and its password.
#[derive(PartialEq, Eq)]
pub struct SignIn {
    role: &'static str,
    password: String,
}

impl SignInArgs {
    /// Those that have a password.
    ///
    /// # Errors
    /// When a URL cannot be read or is that of another user.
    pub fn resolve(&self) -> anyhow::Result<Vec<SignIn>> {
        let wanted = [
            ("WORKER_DATABASE_URL", &self.worker_database_url, "helpline_worker"),
            ("PROXY_DATABASE_URL", &self.proxy_database_url, "helpline_proxy"),
        ];
        let mut found = Vec::new();
        for (name, url, role) in wanted {
            // An empty variable is an unset one: composed environments have them.
            let Some(url) = url.as_deref().map(str::trim).filter(|url| !url.is_empty()) else { continue };
            if let Some(password) = password(name, url, role)? {
                found.push(SignIn { role, password });
            }
        }
        Ok(found)
    }
}

/// The password in `url`, None where another means than a password lets the user in.
fn password(name: &str, url: &str, role: &str) -> anyhow::Result<Option<String>> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    let url = url.with_context(|| {
        format!("{name} is not a URL of the form postgres://{role}:password@host/helpline")
    })?;
    // Poolers add what tells databases apart behind a dot.
    let user = url.username().split('.').next().unwrap_or_default();
    if user != role {
        bail!("{name} signs in as {user:?}: it has to be {role}, which the migrations create");
    }
    url.password()
        .map(|password| {
            decoded(password).with_context(|| {
                format!("the password in {name} is not percent-encoded text: write % as %25")
            })
        })
        .transpose()
}

fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Lets the service users in. Sessions that are open stay open.
///
/// # Errors
/// When the user of `pool` may not change them.
pub async fn apply(pool: &PgPool, sign_ins: &[SignIn]) -> Result<(), super::Error> {
    for SignIn { role, password } in sign_ins {
        set_role_password(pool, role, password).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(worker: &str) -> Result<Vec<String>, String> {
        let args =
            SignInArgs { worker_database_url: Some(worker.into()), proxy_database_url: Some(" ".into()) };
        let found = args.resolve().map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|one| format!("{} {}", one.role, one.password)).collect())
    }

    #[test]
    fn passwords_are_taken_from_the_urls_that_the_roles_get() {
        assert_eq!(
            told("postgres://helpline_worker:it%27s%20100%25@db:5432/h?sslmode=require"),
            Ok(vec!["helpline_worker it's 100%".to_owned()])
        );
        assert_eq!(
            told("postgresql://helpline_worker.ref:x+y@db/h"),
            Ok(vec!["helpline_worker x+y".to_owned()])
        );
        assert_eq!(told("postgres://helpline_worker@db/h"), Ok(Vec::new()), "let in by other means");
        assert_eq!(told(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for (url, word) in [
            ("postgres://owner:hunter2@db/h", "has to be helpline_worker"),
            ("mysql://helpline_worker:hunter2@db/h", "not a URL of the form postgres://helpline_worker"),
            ("postgres://helpline_worker:hunter2%ff@db/h", "percent-encoded"),
            ("postgres://helpline_worker:hunter2%@db/h", "percent-encoded"),
        ] {
            let told = told(url).expect_err("it is refused");
            assert!(told.contains(word) && told.contains("WORKER_DATABASE_URL"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
