//! `helpline dead-letters`: what an operator sees of events that were put aside, and what he can do about them.
//! Replaying is asked for here and done by the shard's owner (`worker::letters`).

use anyhow::bail;
use sqlx::PgPool;

/// Prints the letters, oldest first. Never what a member wrote: `show` does that.
pub async fn list(pool: &PgPool) -> anyhow::Result<()> {
    let letters = sqlx::query!(
        "select id, shard_id, server_id, kind, error, tries, created_at, replay_requested_at is not null as \"asked!\"
         from helpline.dead_letters order by id limit 1000"
    )
    .fetch_all(pool)
    .await?;
    if letters.is_empty() {
        println!("no event has been put aside");
    }
    for letter in letters {
        let server = letter.server_id.map_or_else(String::new, |id| format!(" server {id}"));
        let asked = if letter.asked { ", to be replayed" } else { "" };
        println!(
            "{} {} {} shard {}{server}: {} ({} tries{asked})",
            letter.id, letter.created_at, letter.kind, letter.shard_id, letter.error, letter.tries
        );
    }
    Ok(())
}

/// Prints one letter with its payload.
pub async fn show(pool: &PgPool, id: i64) -> anyhow::Result<()> {
    let letter = sqlx::query!(
        "select kind, stream_id, origin, error, payload from helpline.dead_letters where id = $1",
        id
    )
    .fetch_optional(pool)
    .await?;
    let Some(letter) = letter else { bail!("there is no dead letter {id}: `helpline dead-letters list`") };
    println!("{} {} from {}", letter.kind, letter.stream_id, letter.origin.as_deref().unwrap_or("unknown"));
    println!("{}", letter.error);
    println!("{:#}", letter.payload.unwrap_or_default());
    Ok(())
}

/// Asks the owner to apply one letter again, or all of them.
pub async fn replay(pool: &PgPool, id: Option<i64>) -> anyhow::Result<()> {
    let asked = sqlx::query!(
        "update helpline.dead_letters set replay_requested_at = now()
         where ($1::bigint is null or id = $1) and replay_requested_at is null",
        id
    )
    .execute(pool)
    .await?;
    println!("{} to be replayed; those that fail again stay in the list", asked.rows_affected());
    Ok(())
}

/// Deletes one letter: its event is never applied.
pub async fn drop(pool: &PgPool, id: i64) -> anyhow::Result<()> {
    let gone = sqlx::query!("delete from helpline.dead_letters where id = $1", id).execute(pool).await?;
    match gone.rows_affected() {
        0 => bail!("there is no dead letter {id}: `helpline dead-letters list`"),
        _ => println!("dropped"),
    }
    Ok(())
}
