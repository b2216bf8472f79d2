//! Finds the server programs: in PATH, and where the packages of common systems put them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Directories with one directory per installed PostgreSQL version, and what stands before the version's name.
const POSTGRES_HOMES: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/usr/libexec", "postgresql"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

const OLDEST_POSTGRES: u32 = 15;
const OLDEST_REDIS: u32 = 7;

#[derive(Debug)]
pub(super) struct Binaries {
    /// Newest first, one entry per installation.
    postgres: Vec<Postgres>,
    pub(super) redis_server: PathBuf,
}

/// One installation of PostgreSQL.
#[derive(Clone, Debug)]
pub(super) struct Postgres {
    pub(super) major: u32,
    pub(super) server: PathBuf,
    pub(super) initdb: PathBuf,
}

impl Binaries {
    pub(super) fn find() -> Result<Self> {
        let path: Vec<PathBuf> =
            std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
        let postgres = installations(&path);
        let redis = ["redis-server", "valkey-server"]
            .iter()
            .flat_map(|name| path.iter().map(move |dir| dir.join(name)))
            .find(|file| file.is_file());
        let (Some(newest), Some(redis_server)) = (postgres.first(), redis) else {
            bail!(missing(postgres.is_empty()));
        };
        if newest.major < OLDEST_POSTGRES {
            bail!(
                "{} is PostgreSQL {}: {OLDEST_POSTGRES} or newer is needed",
                newest.server.display(),
                newest.major
            );
        }
        let redis_major = major_version(&redis_server)?;
        if redis_major < OLDEST_REDIS {
            bail!("{} has version {redis_major}: {OLDEST_REDIS} or newer is needed", redis_server.display());
        }
        Ok(Self { postgres, redis_server })
    }

    /// The newest PostgreSQL, or the one whose data directories have this major version.
    pub(super) fn postgres(&self, major: Option<u32>) -> Option<&Postgres> {
        self.postgres.iter().find(|found| major.is_none_or(|major| found.major == major))
    }
}

fn installations(path: &[PathBuf]) -> Vec<Postgres> {
    let homes = POSTGRES_HOMES.iter().flat_map(|(home, prefix)| versions_in(Path::new(home), prefix));
    let mut found: Vec<Postgres> = path
        .iter()
        .cloned()
        .chain(homes)
        .filter(|dir| dir.join("postgres").is_file() && dir.join("initdb").is_file())
        .filter_map(|dir| {
            let server = dir.join("postgres");
            let major = major_version(&server).ok()?;
            Some(Postgres { major, server, initdb: dir.join("initdb") })
        })
        .collect();
    found.sort_by_key(|postgres| std::cmp::Reverse(postgres.major));
    found
}

fn versions_in(home: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(home) else { return Vec::new() };
    let is_version = |name: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    let mut dirs: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_version))
        // Alpine keeps the programs in the version's directory itself.
        .flat_map(|entry| [entry.path().join("bin"), entry.path()])
        .collect();
    dirs.sort();
    dirs
}

/// First number in what the program prints for `--version`.
fn major_version(program: &Path) -> Result<u32> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .with_context(|| format!("run {} --version", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    first_number(&text).with_context(|| format!("{} --version tells no version: {text}", program.display()))
}

fn first_number(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches(|character: char| !character.is_ascii_digit());
    let end = digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

fn missing(no_postgres: bool) -> String {
    let what = if no_postgres { "PostgreSQL's server programs" } else { "redis-server" };
    format!(
        "{what} not found in PATH nor where packages put them; install both servers, or set DATABASE_URL and REDIS_URL\n\
         \x20 Debian, Ubuntu:  sudo apt-get install postgresql redis-server   (or `make setup`, which starts no service)\n\
         \x20 Fedora:          sudo dnf install postgresql-server valkey\n\
         \x20 macOS:           brew install postgresql@17 redis\n\
         \x20 elsewhere:       PostgreSQL {OLDEST_POSTGRES} or newer (initdb, postgres) and Redis {OLDEST_REDIS} or newer (redis-server)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number_printed() {
        assert_eq!(first_number("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(first_number("Redis server v=7.0.15 sha=00000000:0"), Some(7));
        assert_eq!(first_number("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(first_number("none"), None);
    }

    #[test]
    fn what_is_missing_is_named_with_its_packages() {
        let message = missing(true);
        assert!(message.starts_with("PostgreSQL's server programs not found"));
        for package in ["apt-get install postgresql redis-server", "dnf install", "brew install"] {
            assert!(message.contains(package), "{package} is not in: {message}");
        }
    }
}
