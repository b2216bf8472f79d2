//! How the cluster's modules connect to Redis.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, RedisResult};

/// Commands that may be on their way at once; redis' default of 50 makes pipelined publishing wait.
const PIPELINE_BUFFER: usize = 4096;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A shared connection for commands that answer at once; reconnects by itself, and while it cannot, each
/// command fails within about two seconds.
pub(crate) async fn shared(client: &Client) -> RedisResult<ConnectionManager> {
    ConnectionManager::new_with_config(without_delay(client)?, patience()).await
}

/// As [`shared`], connected at its first command.
pub(crate) fn shared_lazy(client: &Client) -> RedisResult<ConnectionManager> {
    ConnectionManager::new_lazy_with_config(without_delay(client)?, patience())
}

fn patience() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_max_delay(Duration::from_millis(500))
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_pipeline_buffer_size(PIPELINE_BUFFER)
}

/// A connection for a command that blocks. It has no response timeout, which would end the command
/// with an error; the caller sets the deadline.
pub(crate) async fn dedicated(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT)).set_response_timeout(None);
    without_delay(client)?.get_multiplexed_async_connection_with_config(&config).await
}

fn without_delay(client: &Client) -> RedisResult<Client> {
    let info = client.get_connection_info().clone();
    Client::open(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}
