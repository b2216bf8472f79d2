//! REDIS_URL in its three forms. Pure; an error never shows a password.

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

/// What is wrong with a URL, and what to write instead.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct InvalidUrl(String);

/// What the URL names.
#[derive(Clone)]
pub(super) enum Form {
    Single(ConnectionInfo),
    Sentinel { sentinels: Vec<ConnectionInfo>, primary: String, servers: Servers },
    Cluster { seeds: Vec<ConnectionInfo>, servers: Servers },
}

/// How the servers are spoken to whose addresses are found out.
#[derive(Clone)]
pub(super) struct Servers {
    tls: bool,
    settings: RedisConnectionInfo,
}

impl Servers {
    pub(super) fn at(&self, host: &str, port: u16) -> ConnectionInfo {
        let address = match self.tls {
            true => ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        let info = address.into_connection_info().expect("an address is taken as it is");
        info.set_redis_settings(self.settings.clone()).set_tcp_settings(without_delay())
    }
}

/// A small command must not wait in the kernel for the next.
fn without_delay() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

pub(super) fn single(info: ConnectionInfo) -> Form {
    Form::Single(info.set_tcp_settings(without_delay()))
}

pub(super) fn parse(url: &str) -> Result<Form, InvalidUrl> {
    let wrong = |text: &str| InvalidUrl(text.to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong(FORMS))?;
    let tls = scheme.starts_with("rediss");
    match scheme {
        "redis" | "rediss" => url
            .into_connection_info()
            .map(single)
            .map_err(|_| wrong("it is not of the form redis://[user:password@]host:port[/db]")),
        "redis+sentinel" | "rediss+sentinel" => {
            let parts = Parts::split(rest)?;
            if parts.path.is_empty() || parts.path.contains('/') {
                return Err(wrong(
                    "it names no primary: end it as the sentinels' configuration does, \
                     in redis+sentinel://host:26379,host:26379/mymaster",
                ));
            }
            let sentinels = parts.infos(tls, &parts.sentinel_login(), 26_379)?;
            let settings = parts.settings(tls, &parts.login)?.set_db(parts.database()?);
            let primary = parts.path.clone();
            Ok(Form::Sentinel { sentinels, primary, servers: Servers { tls, settings } })
        }
        "redis+cluster" | "rediss+cluster" => {
            let parts = Parts::split(rest)?;
            if !parts.path.is_empty() || !parts.parameters.is_empty() {
                return Err(wrong(
                    "a cluster has no database to choose and no parameters: end it after the last host",
                ));
            }
            let seeds = parts.infos(tls, &parts.login, 6379)?;
            let settings = parts.settings(tls, &parts.login)?;
            Ok(Form::Cluster { seeds, servers: Servers { tls, settings } })
        }
        _ => Err(wrong(FORMS)),
    }
}

const FORMS: &str = "give one of redis://host:6379, redis+sentinel://host:26379,host:26379/primary's-name \
     and redis+cluster://host:6379,host:6379; rediss instead of redis for TLS";

/// A URL of several hosts, which the redis crate does not read.
struct Parts {
    /// `user:password@`, as it stands, or nothing.
    login: String,
    hosts: Vec<String>,
    path: String,
    parameters: Vec<(String, String)>,
}

impl Parts {
    fn split(rest: &str) -> Result<Self, InvalidUrl> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), authority),
        };
        let hosts: Vec<String> = hosts.split(',').map(|host| host.trim().to_owned()).collect();
        if hosts.iter().any(String::is_empty) {
            return Err(InvalidUrl("it names no host, or an empty one between two commas".to_owned()));
        }
        let parameter = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        };
        let parameters: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).map(parameter).collect();
        const KNOWN: [&str; 3] = ["db", "sentinel_user", "sentinel_password"];
        if let Some((name, _)) = parameters.iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
            return Err(InvalidUrl(format!("its parameter {name} is unknown: {} exist", KNOWN.join(", "))));
        }
        Ok(Self { login, hosts, path: path.to_owned(), parameters })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn database(&self) -> Result<i64, InvalidUrl> {
        let Some(text) = self.parameter("db") else { return Ok(0) };
        let number = text.parse().ok().filter(|number| *number >= 0);
        number.ok_or_else(|| InvalidUrl("its parameter db is not a number from 0 on".to_owned()))
    }

    fn sentinel_login(&self) -> String {
        let (user, password) = (self.parameter("sentinel_user"), self.parameter("sentinel_password"));
        match (user, password) {
            (None, None) => String::new(),
            (user, password) => format!("{}:{}@", user.unwrap_or(""), password.unwrap_or("")),
        }
    }

    /// The redis crate reads the single host's form, and so the login in it.
    fn info(tls: bool, login: &str, host: &str, default_port: u16) -> Result<ConnectionInfo, InvalidUrl> {
        let scheme = if tls { "rediss" } else { "redis" };
        // After the last bracket: an IPv6 address has colons of its own.
        let named = host.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let port = if named { String::new() } else { format!(":{default_port}") };
        let info = format!("{scheme}://{login}{host}{port}").into_connection_info();
        info.map(|info| info.set_tcp_settings(without_delay())).map_err(|_| {
            InvalidUrl(
                "a host or the login of it cannot be read: write [user:password@]host:port,host:port and \
                 percent-encode what is special in user and password"
                    .to_owned(),
            )
        })
    }

    fn infos(&self, tls: bool, login: &str, port: u16) -> Result<Vec<ConnectionInfo>, InvalidUrl> {
        self.hosts.iter().map(|host| Self::info(tls, login, host, port)).collect()
    }

    fn settings(&self, tls: bool, login: &str) -> Result<RedisConnectionInfo, InvalidUrl> {
        Ok(Self::info(tls, login, &self.hosts[0], 6379)?.redis_settings().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(infos: &[ConnectionInfo]) -> Vec<String> {
        infos.iter().map(|info| info.addr().to_string()).collect()
    }

    #[test]
    fn sentinels_are_named_with_their_primary_and_two_logins() {
        let url = "redis+sentinel://app:p%40ss@one:1,two,[::1]:3/main?db=2&sentinel_password=watch";
        let Ok(Form::Sentinel { sentinels, primary, servers }) = parse(url) else { panic!("{url} is good") };
        assert_eq!(addresses(&sentinels), ["one:1", "two:26379", "::1:3"]);
        assert_eq!(primary, "main");
        assert_eq!(sentinels[0].redis_settings().password(), Some("watch"));
        let server = servers.at("host", 7);
        assert_eq!(
            (server.redis_settings().username(), server.redis_settings().password()),
            (Some("app"), Some("p@ss"))
        );
        assert_eq!(server.redis_settings().db(), 2);
        assert_eq!(server.addr(), &ConnectionAddr::Tcp("host".to_owned(), 7));
    }

    #[test]
    fn a_cluster_is_named_by_some_of_its_nodes() {
        let url = "rediss+cluster://:secret@one:7001,two:7002";
        let Ok(Form::Cluster { seeds, servers }) = parse(url) else { panic!("{url} is good") };
        assert_eq!(addresses(&seeds), ["one:7001", "two:7002"]);
        assert!(matches!(servers.at("host", 7).addr(), ConnectionAddr::TcpTls { .. }));
        assert_eq!(servers.at("host", 7).redis_settings().password(), Some("secret"));
    }

    #[test]
    fn a_url_that_cannot_be_used_says_what_to_write_and_shows_no_password() {
        for (url, says) in [
            ("http://app:hunter2@host", "redis+sentinel://"),
            ("app:hunter2", "redis+sentinel://"),
            ("redis+sentinel://app:hunter2@one,two", "names no primary"),
            ("redis+sentinel://app:hunter2@one,,two/main", "names no host"),
            ("redis+sentinel://app:hunter2@one/main?db=first", "not a number"),
            ("redis+sentinel://app:hunter2@one/main?database=1", "unknown"),
            ("redis+cluster://app:hunter2@one/3", "no database"),
            ("redis+cluster://app:hunter2@one:port", "host:port"),
            ("redis://app:hunter2@host:port", "redis://"),
        ] {
            let error = parse(url).err().unwrap_or_else(|| panic!("{url} is taken")).to_string();
            assert!(error.contains(says), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
