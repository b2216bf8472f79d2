//! What is left of Discord's budgets, as all proxies count them in Redis. For people who look: reads, and changes nothing.

use std::collections::HashMap;
use std::sync::LazyLock;

use redis::{RedisError, Script};
use serde::Serialize;

use crate::keys::Keys;
use crate::redis_link::{Connection, RedisLink};

/// Slots of the global limit that are held now, proxies that share it, and those of them that wait.
static REST: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME') \
         local now = string.format('%.0f', time[1] * 1000000 + time[2]) \
         return { redis.call('ZCOUNT', KEYS[1], now, '+inf'), redis.call('ZCARD', KEYS[2]), \
             redis.call('ZCARD', KEYS[3]) }",
    )
});

/// Refused requests of the last ten minutes, as the breaker counts them (`invalid_requests/breaker.lua`).
static REFUSED: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local step, sum = math.floor(redis.call('TIME')[1] / 10), 0 \
         local all = redis.call('HGETALL', KEYS[1]) \
         for i = 1, #all, 2 do \
             if tonumber(all[i]) > step - 61 then sum = sum + tonumber(all[i + 1]) end \
         end \
         return { sum, tonumber(redis.call('HGET', KEYS[2], 'opens_at') or '0'), \
             tonumber(redis.call('HGET', KEYS[2], 'open') or '0') }",
    )
});

/// Sessions and when new ones come, if Discord was asked, with the clock of Redis.
static IDENTIFIES: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME') \
         local all = redis.call('HGETALL', KEYS[1]) \
         all[#all + 1] = 'now' \
         all[#all + 1] = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)) \
         return all",
    )
});

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Budgets {
    /// None: no proxy has asked Discord yet, or the day is over and nobody has asked since.
    pub identifies: Option<IdentifyBudget>,
    pub rest: RestBudget,
    pub invalid_requests: InvalidBudget,
}

/// Sessions that may still be begun on the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IdentifyBudget {
    pub left: u64,
    pub total: u64,
    pub reset_in_s: u64,
}

/// The global limit of REST requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestBudget {
    /// Requests that count in the present second.
    pub in_this_second: u64,
    /// Proxies that share the limit, and those of them with requests that wait for it.
    pub proxies: u64,
    pub proxies_waiting: u64,
}

/// Requests that Discord refused with 401, 403 or 429 in the last ten minutes; at 10,000 it bans the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InvalidBudget {
    pub refused: u64,
    /// At so many all but probes are held back; none before a proxy has counted.
    pub held_back_at: Option<u64>,
    pub is_held_back: bool,
}

/// Reads them all.
///
/// # Errors
/// When Redis does not answer.
pub async fn read(redis: &RedisLink, keys: &Keys) -> Result<Budgets, RedisError> {
    read_on(redis.shared(), keys).await
}

/// As [`read`], on a connection that is there.
///
/// # Errors
/// When Redis does not answer.
pub async fn read_on(redis: Connection, keys: &Keys) -> Result<Budgets, RedisError> {
    let (mut one, mut two, mut three) = (redis.clone(), redis.clone(), redis);
    let [slots, _, proxies, waiting, ..] = keys.rest("");
    let [steps, breaker] = keys.invalid_requests();
    let mut rest = REST.prepare_invoke();
    rest.key(slots).key(proxies).key(waiting);
    let mut refused = REFUSED.prepare_invoke();
    refused.key(steps).key(breaker);
    let mut identifies = IDENTIFIES.prepare_invoke();
    identifies.key(keys.identify_budget());
    let (rest, refused, identifies) = tokio::try_join!(
        rest.invoke_async::<(u64, u64, u64)>(&mut one),
        refused.invoke_async::<(u64, u64, u64)>(&mut two),
        identifies.invoke_async::<HashMap<String, String>>(&mut three)
    )?;
    Ok(Budgets {
        identifies: identify_budget(&identifies),
        rest: RestBudget { in_this_second: rest.0, proxies: rest.1, proxies_waiting: rest.2 },
        invalid_requests: InvalidBudget {
            refused: refused.0,
            held_back_at: Some(refused.1).filter(|at| *at > 0),
            is_held_back: refused.2 == 1,
        },
    })
}

fn identify_budget(hash: &HashMap<String, String>) -> Option<IdentifyBudget> {
    let number = |field: &str| hash.get(field).and_then(|value| value.parse::<u64>().ok());
    let reset_in_ms = number("reset")?.checked_sub(number("now")?)?;
    Some(IdentifyBudget { left: number("left")?, total: number("total")?, reset_in_s: reset_in_ms / 1_000 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_of_yesterday_is_none() {
        let hash = |reset: &str| {
            [("left", "900"), ("total", "1000"), ("reset", reset), ("now", "5000000")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        };
        let today = identify_budget(&hash("5060000"));
        assert_eq!(today, Some(IdentifyBudget { left: 900, total: 1000, reset_in_s: 60 }));
        assert_eq!(identify_budget(&hash("4999999")), None);
        assert_eq!(identify_budget(&HashMap::new()), None);
    }
}
