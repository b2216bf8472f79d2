//! Sets everything up: private stores, the simulated Discord, one proxy, the workers, configs and documents; and takes
//! it down again.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use helpline::up::services::Services;
use helpline_sim::{Config, Simulator};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::options::Options;
use crate::process::{Kept, Recipe};
use crate::script::{self, Theme};

/// How long the cluster may take to come up.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// Commands that run side by side while configs and documents are brought in.
const COMMANDS: usize = 3;

#[derive(Debug)]
pub struct Stage {
    pub simulator: Simulator,
    pub pool: PgPool,
    pub proxy: Kept,
    pub workers: Vec<Kept>,
    pub themes: Vec<Theme>,
    pub logs: PathBuf,
    services: Services,
    _dir: TempDir,
}

/// What every process is started with.
struct Common {
    helpline: PathBuf,
    logs: PathBuf,
    owner_url: String,
    redis_url: String,
}

impl Common {
    fn recipe(&self, name: &str, args: &[&str], role: Option<&str>, env: Vec<(&str, String)>) -> Recipe {
        let database = match role {
            // The private Postgres trusts its machine: the user's name is enough.
            Some(role) => self.owner_url.replacen("postgres@", &format!("{role}@"), 1),
            None => self.owner_url.clone(),
        };
        let mut all = vec![
            ("DATABASE_URL".to_owned(), database),
            ("REDIS_URL".to_owned(), self.redis_url.clone()),
            ("RUST_LOG".to_owned(), std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned())),
            ("HOME".to_owned(), std::env::var("HOME").unwrap_or_default()),
        ];
        all.extend(env.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Recipe {
            name: name.to_owned(),
            program: self.helpline.clone(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: all,
            logs: self.logs.clone(),
        }
    }
}

impl Stage {
    pub async fn set(options: &Options, say: impl Fn(&str)) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("helpline-demo-").tempdir().context("make a directory")?;
        let logs = options.logs.clone().unwrap_or_else(|| dir.path().join("logs"));
        std::fs::create_dir_all(&logs).with_context(|| format!("create {}", logs.display()))?;
        let themes = script::themes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("knowledge"))?;

        say("starting a private Postgres and Redis");
        let services = Services::temporary(&std::env::temp_dir()).await?;
        let common = Common {
            helpline: helpline_binary()?,
            logs: logs.clone(),
            owner_url: services.database_url(),
            redis_url: services.redis_url(),
        };
        let shards = options.shards.to_string();
        common.recipe("migrate", &["migrate", "--shards", &shards], None, Vec::new()).run().await?;
        let pool = PgPool::connect(&common.owner_url).await.context("connect to Postgres")?;

        let simulator = discord(options).await?;
        say(&format!(
            "a simulated Discord with {} servers and {} gateway shards on {}",
            options.servers,
            options.gateway_shards,
            simulator.addr()
        ));
        say(&format!("playground: {} (watch and take part in a browser)", simulator.playground_url()));
        let proxy_port = free_port()?;
        let admin_ports = (0..=options.workers).map(|_| free_port()).collect::<Result<Vec<_>>>()?;
        let proxy = proxy(&common, &simulator, options, proxy_port, admin_ports[0])?;
        servers_known(&pool, options.servers).await.with_context(|| {
            format!("the proxy did not bring the servers in; {}", crate::process::last_words(&logs, "proxy"))
        })?;
        say("setting configs and importing documents");
        bring_in(&common, &simulator, &themes).await?;
        let names: Vec<String> = (1..=options.workers).map(|number| format!("worker-{number}")).collect();
        let workers = names
            .iter()
            .zip(&admin_ports[1..])
            .map(|(name, admin_port)| worker(&common, name, proxy_port, *admin_port))
            .collect::<Result<Vec<_>>>()?;
        let targets =
            targets(&logs, std::iter::once("proxy").chain(names.iter().map(String::as_str)), &admin_ports)?;
        say(&format!("metrics: {} lists where, as Prometheus reads it", targets.display()));
        all_owned(&pool).await.with_context(|| {
            format!("not every shard found an owner; {}", crate::process::last_words(&logs, "worker-1"))
        })?;
        say(&format!("1 proxy and {} workers own {} shards", options.workers, options.shards));
        Ok(Self { simulator, pool, proxy, workers, themes, logs, services, _dir: dir })
    }

    /// Stops workers first, since they hand their last effects to the proxy.
    pub async fn strike(self) -> Result<()> {
        futures_util::future::join_all(self.workers.into_iter().map(Kept::stop)).await;
        self.proxy.stop().await;
        self.simulator.shutdown().await;
        self.pool.close().await;
        self.services.stop().await
    }
}

async fn discord(options: &Options) -> Result<Simulator> {
    let config = Config {
        servers: options.servers as usize,
        members_per_server: options.members as usize,
        gateway_shards: options.gateway_shards,
        max_concurrency: options.gateway_shards,
        rest_global_per_s: Some(options.rest_per_second),
        seed: options.seed,
        ..Config::default()
    };
    Simulator::start(config).await.context("start the simulated Discord")
}

fn proxy(
    common: &Common,
    simulator: &Simulator,
    options: &Options,
    port: u16,
    admin_port: u16,
) -> Result<Kept> {
    let env = vec![
        ("DISCORD_TOKEN", simulator.token().to_owned()),
        ("DISCORD_API_URL", simulator.rest_base()),
        ("REST_PER_SECOND", options.rest_per_second.to_string()),
        ("GATEWAY_SHARDS", options.gateway_shards.to_string()),
        ("PROXY_ADDR", format!("127.0.0.1:{port}")),
        ("PROXY_NAME", "proxy".to_owned()),
        ("ADMIN_ADDR", format!("127.0.0.1:{admin_port}")),
    ];
    common.recipe("proxy", &["proxy"], Some("helpline_proxy"), env).keep()
}

fn worker(common: &Common, name: &str, proxy_port: u16, admin_port: u16) -> Result<Kept> {
    let env = vec![
        ("WORKER_NAME", name.to_owned()),
        ("HELPLINE_PROXY_URL", format!("http://127.0.0.1:{proxy_port}")),
        ("ADMIN_ADDR", format!("127.0.0.1:{admin_port}")),
    ];
    common.recipe(name, &["worker"], Some("helpline_worker"), env).keep()
}

/// Writes where the metrics are, as `file_sd_configs` of Prometheus takes it; `instance` is the process's name.
fn targets<'a>(logs: &Path, names: impl Iterator<Item = &'a str>, ports: &[u16]) -> Result<PathBuf> {
    let target = |(name, port): (&str, &u16)| serde_json::json!({"targets": [format!("127.0.0.1:{port}")], "labels": {"instance": name}});
    let all: Vec<serde_json::Value> = names.zip(ports).map(target).collect();
    let path = logs.join("prometheus-targets.json");
    let text = serde_json::to_string_pretty(&all).context("write the targets")?;
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// Switches support on and imports the theme's documents on every server, with the commands an operator uses.
async fn bring_in(common: &Common, simulator: &Simulator, themes: &[Theme]) -> Result<()> {
    let servers = simulator.servers().iter().map(|server| async move {
        let id = server.id.get().to_string();
        let channels = format!("channels={}", server.support_channel.get());
        let role = format!("support_role_id={}", server.support_role.get());
        // Members of the show ask in a minute what people ask in a week.
        let many = "max_messages_per_user=1000000";
        let set = ["config", "set", "--server", &id, "enabled=true", many, &channels, &role];
        common.recipe("config", &set, None, Vec::new()).run().await?;
        let theme = script::theme_of(themes, server.index);
        let documents: Vec<String> = theme.documents.iter().map(|path| path.display().to_string()).collect();
        let mut import = vec!["knowledge", "import", "--server", &id];
        import.extend(documents.iter().map(String::as_str));
        common.recipe("knowledge", &import, None, Vec::new()).run().await
    });
    stream::iter(servers).buffer_unordered(COMMANDS).try_collect::<Vec<()>>().await?;
    Ok(())
}

async fn servers_known(pool: &PgPool, wanted: u32) -> Result<()> {
    until("every server is known", || async {
        let known = sqlx::query_scalar!("select count(*) as \"count!\" from public.server_shards")
            .fetch_one(pool)
            .await?;
        Ok(known >= i64::from(wanted))
    })
    .await
}

async fn all_owned(pool: &PgPool) -> Result<()> {
    until("every shard is owned", || async {
        let unowned = sqlx::query_scalar!(
            "select count(*) as \"count!\" from helpline.shard_fences
             join helpline.shard_streams using (shard_id)
             where owner is null or incarnation = 0"
        )
        .fetch_one(pool)
        .await?;
        Ok(unowned == 0)
    })
    .await
}

async fn until<F: Future<Output = Result<bool>>>(what: &str, mut is_so: impl FnMut() -> F) -> Result<()> {
    let waiting = async {
        while !is_so().await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    match tokio::time::timeout(READY_WITHIN, waiting).await {
        Ok(done) => done,
        Err(_) => anyhow::bail!("waited {} s in vain: {what}", READY_WITHIN.as_secs()),
    }
}

fn helpline_binary() -> Result<PathBuf> {
    let here = std::env::current_exe().context("find this program")?;
    let path = here.with_file_name("helpline");
    ensure!(path.exists(), "{} is missing: build it with `cargo build`, or use `make demo`", path.display());
    Ok(path)
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr().context("read the free port")?.port())
}
