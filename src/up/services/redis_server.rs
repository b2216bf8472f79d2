//! The private Redis: keeps nothing on disk, because Redis holds nothing that Postgres cannot bring back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::binaries::Binaries;
use super::process::{Service, Supervised};
use super::{Host, PORT_TRIES, free_port};

const READY_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

pub(super) fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

pub(super) async fn start(host: &Host, binaries: &Binaries) -> Result<(Supervised, u16)> {
    for _ in 0..PORT_TRIES {
        let port = free_port()?;
        let mut redis = Supervised::spawn(service(host, binaries, port)?, &host.dir, &host.account)?;
        if ready(host, &mut redis, port).await? {
            return Ok((redis, port));
        }
    }
    bail!("no port for redis: {PORT_TRIES} free ones were taken by others before it could start")
}

fn service<'a>(host: &'a Host, binaries: &'a Binaries, port: u16) -> Result<Service<'a>> {
    let dir = host.dir.to_str().context("the directory's name is not UTF-8")?;
    let port = port.to_string();
    let arguments = [
        ["--port", port.as_str()],
        ["--bind", "127.0.0.1"],
        ["--dir", dir],
        ["--save", ""],
        ["--appendonly", "no"],
        ["--maxmemory-policy", "noeviction"],
        ["--daemonize", "no"],
    ];
    Ok(Service {
        name: "redis",
        program: &binaries.redis_server,
        arguments: arguments.concat().into_iter().map(str::to_owned).collect(),
        end_signal: "TERM",
        remove_afterwards: None,
    })
}

/// True when our server answers, false when another process took the port first.
async fn ready(host: &Host, redis: &mut Supervised, port: u16) -> Result<bool> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if redis.ended()?.is_some() {
            if redis.log().contains("Address already in use") {
                return Ok(false);
            }
            bail!("redis ended while starting; {}", redis.last_words());
        }
        // On a lost race for the port, the one that answers is somebody else's: its directory tells.
        if let Ok(dir) = directory(port).await
            && host.dir.to_str() == Some(dir.as_str())
        {
            return Ok(true);
        }
        if Instant::now() > deadline {
            bail!("redis does not answer on port {port}; {}", redis.last_words());
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn directory(port: u16) -> redis::RedisResult<String> {
    let mut connection = redis::Client::open(url(port))?.get_multiplexed_async_connection().await?;
    let (_, dir): (String, String) =
        redis::cmd("CONFIG").arg("GET").arg("dir").query_async(&mut connection).await?;
    Ok(dir)
}
