//! `helpline.channel_marks`: the newest message of a channel that was applied, written by T1 for all channels of a batch
//! at once. Where reading over REST begins when a gap's own beginning is not known.

use std::collections::BTreeMap;

use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::ServerId;

use crate::discord::{ChannelId, MessageId};

/// Marks of one batch. Ordered, so that two transactions take their rows in the same order.
#[derive(Debug, Default)]
pub struct Marks(BTreeMap<(ServerId, ChannelId), MessageId>);

impl Marks {
    pub fn note(&mut self, server: ServerId, channel: ChannelId, message: MessageId) {
        let newest = self.0.entry((server, channel)).or_insert(message);
        *newest = (*newest).max(message);
    }

    /// Raises what is stored; never lowers it.
    pub async fn store(&self, tx: &mut FencedTx) -> Result<(), sqlx::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let servers: Vec<i64> = self.0.keys().map(|(server, _)| server.db()).collect();
        let channels: Vec<i64> = self.0.keys().map(|(_, channel)| channel.0.cast_signed()).collect();
        let messages: Vec<i64> = self.0.values().map(|message| message.0.cast_signed()).collect();
        sqlx::query_file!("src/worker/sql/raise_marks.sql", &servers, &channels, &messages)
            .execute(tx.conn())
            .await?;
        Ok(())
    }
}
