//! `helpline`: one binary, many roles. This file only dispatches.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use helpline::config::{self, ProxyArgs, WorkerArgs};
use helpline::{cli, dead_letters, knowledge, telemetry, up};
use helpline_cluster::ids::ServerId;

#[derive(Parser)]
#[command(
    name = "helpline",
    version,
    about = "A Discord support bot that answers from a server's own knowledge"
)]
struct Cli {
    /// How log lines look; what is logged is set by RUST_LOG
    #[arg(long, env = "LOG_FORMAT", default_value = "text", global = true)]
    log_format: telemetry::Format,
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Hold the connections to Discord: events in, REST out
    Proxy(ProxyArgs),
    /// Claim shards and answer their servers' questions
    Worker(WorkerArgs),
    /// Everything on one machine; starts a private Postgres and Redis when their URLs are unset
    Up(up::UpArgs),
    /// Show how the cluster stands: shards, owners, lag, gateway shards, workers, budgets
    Status(cli::StatusArgs),
    /// Look at a deployment, and say what is wrong and how it is mended; status 1 when something is broken
    Doctor(cli::DoctorArgs),
    /// Bring the database's schema up to date
    Migrate(cli::MigrateArgs),
    /// Show or change what is set for a server
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The documents a server's answers come from
    #[command(subcommand)]
    Knowledge(KnowledgeCommand),
    /// Show the shards, or add some
    #[command(subcommand)]
    Shards(ShardsCommand),
    /// Show the gateway shards, or change their number while everything runs
    #[command(subcommand)]
    GatewayShards(GatewayShardsCommand),
    /// Events that could not be applied: look at them, apply them again, drop them
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Give busy servers a partition of their own in the database
    #[command(subcommand)]
    Partition(PartitionCommand),
    /// Write the text of the PDF file on standard input; for this program alone
    #[command(hide = true, name = knowledge::pdf::SUBCOMMAND)]
    ExtractPdf,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print a server's config
    Show {
        #[arg(long, value_parser = config::server_id)]
        server: ServerId,
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
    /// Set keys of a server's config, as in enabled=true channels=123,456
    Set {
        #[arg(long, value_parser = config::server_id)]
        server: ServerId,
        #[arg(required = true, value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
}

#[derive(Subcommand)]
enum KnowledgeCommand {
    /// Import text, Markdown and PDF files, and .jsonl files with {"title", "text"} a line; a document of the same title
    /// is replaced
    Import {
        #[arg(long, value_parser = config::server_id)]
        server: ServerId,
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
    /// Measure how well questions find their documents, and how well it is told when there is none
    Eval(cli::EvalArgs),
}

/// DATABASE_URL here is Postgres of the owner or of helpline_proxy.
#[derive(Subcommand)]
enum GatewayShardsCommand {
    /// Show the sets of gateway shards and how many each proxy holds
    Show {
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
    /// Let this many come up beside those that serve, and take over from them
    Set {
        #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
        total: u32,
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
    /// Give a change up, as long as no old gateway shard has begun to close
    Abandon {
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
}

#[derive(Subcommand)]
enum ShardsCommand {
    /// List the shards: owners, load, how far behind they are, servers on their way
    List {
        #[command(flatten)]
        args: cli::ShardsArgs,
    },
    /// Add shards until there are so many, while everything runs; the number never shrinks
    Set {
        #[arg(value_parser = clap::value_parser!(u32).range(1..=65_536))]
        number: u32,
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
}

#[derive(Subcommand)]
enum DeadLettersCommand {
    /// List them, oldest first
    List {
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
    /// Print one with its payload, which holds what a member wrote
    Show {
        id: i64,
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
    /// Have the owner of its shard apply one again, or all
    Replay {
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<i64>,
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
    /// Delete one: its event is never applied
    Drop {
        id: i64,
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
}

impl DeadLettersCommand {
    async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List { database } => dead_letters::list(&database.connect().await?).await,
            Self::Show { id, database } => dead_letters::show(&database.connect().await?, id).await,
            Self::Replay { id, all: _, database } => {
                dead_letters::replay(&database.connect().await?, id).await
            }
            Self::Drop { id, database } => dead_letters::drop(&database.connect().await?, id).await,
        }
    }
}

#[derive(Subcommand)]
enum PartitionCommand {
    /// List the partitions with their sizes, and what an interrupted promotion left
    List {
        #[command(flatten)]
        database: cli::DatabaseArgs,
    },
    /// Move a server's conversations to a partition of its own while everybody goes on
    Promote {
        #[arg(long, value_parser = config::server_id)]
        server: ServerId,
        #[command(flatten)]
        args: cli::PartitionArgs,
    },
    /// Remove what an interrupted promotion left, or finish it when it had got that far
    Abandon {
        #[command(flatten)]
        args: cli::PartitionArgs,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Confines itself, which has to come before any other thread.
    if let Role::ExtractPdf = cli.role {
        return knowledge::pdf::child::run();
    }
    serve(cli)
}

#[tokio::main]
async fn serve(cli: Cli) -> ExitCode {
    telemetry::init(cli.log_format);
    let done = match cli.role {
        Role::Proxy(args) => cli::proxy(args).await,
        Role::Worker(args) => cli::worker(args).await,
        Role::Up(args) => up::run(args).await,
        Role::Status(args) => cli::status(&args).await,
        Role::Doctor(args) => cli::doctor(&args).await,
        Role::Migrate(args) => cli::migrate(args).await,
        Role::Config(ConfigCommand::Show { server, database }) => cli::config_show(&database, server).await,
        Role::Config(ConfigCommand::Set { server, pairs, database }) => {
            cli::config_set(&database, server, &pairs).await
        }
        Role::Knowledge(KnowledgeCommand::Import { server, files, database }) => {
            cli::knowledge_import(&database, server, &files).await
        }
        Role::Knowledge(KnowledgeCommand::Eval(args)) => cli::knowledge_eval(&args).await,
        Role::Shards(ShardsCommand::List { args }) => cli::shards_list(&args).await,
        Role::Shards(ShardsCommand::Set { number, database }) => cli::shards_set(&database, number).await,
        Role::GatewayShards(GatewayShardsCommand::Show { database }) => {
            cli::gateway_shards_show(&database).await
        }
        Role::GatewayShards(GatewayShardsCommand::Set { total, database }) => {
            cli::gateway_shards_set(&database, total).await
        }
        Role::GatewayShards(GatewayShardsCommand::Abandon { database }) => {
            cli::gateway_shards_abandon(&database).await
        }
        Role::DeadLetters(command) => command.run().await,
        Role::Partition(PartitionCommand::List { database }) => cli::partition_list(&database).await,
        Role::Partition(PartitionCommand::Promote { server, args }) => {
            cli::partition_promote(&args, server).await
        }
        Role::Partition(PartitionCommand::Abandon { args }) => cli::partition_abandon(&args).await,
        Role::ExtractPdf => unreachable!("main has done it"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("helpline: {error:#}");
            ExitCode::FAILURE
        }
    }
}
