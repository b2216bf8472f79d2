//! What Discord refuses about the embeds of a message.
//! <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>

use super::error::ApiError;
use serde_json::Value;

const MAX_EMBEDS: usize = 10;
const MAX_FIELDS: usize = 25;
const MAX_TOTAL: usize = 6_000;
const MAX_COLOR: u64 = 0xff_ffff;

/// Characters of a text; surrounding space does not count, since it is trimmed.
fn length(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.trim().chars().count())
}

pub(super) fn check(embeds: &[Value]) -> Result<(), ApiError> {
    if embeds.len() > MAX_EMBEDS {
        return Err(ApiError::too_long("embeds", MAX_EMBEDS));
    }
    let mut total = 0;
    for (at, embed) in embeds.iter().enumerate() {
        total += one(embed, &format!("embeds.{at}"))?;
    }
    if total > MAX_TOTAL {
        let message = "Embed size exceeds maximum size of 6000";
        return Err(ApiError::invalid("embeds", "MAX_EMBED_SIZE_EXCEEDED", message));
    }
    Ok(())
}

/// Checks one embed; returns how many characters it has.
fn one(embed: &Value, path: &str) -> Result<usize, ApiError> {
    let texts = [
        ("title", &embed["title"], 256),
        ("description", &embed["description"], 4_096),
        ("footer.text", &embed["footer"]["text"], 2_048),
        ("author.name", &embed["author"]["name"], 256),
    ];
    let mut total = 0;
    for (field, text, most) in texts {
        if length(text) > most {
            return Err(ApiError::too_long(&format!("{path}.{field}"), most));
        }
        total += length(text);
    }
    let fields = embed["fields"].as_array().map_or(&[][..], Vec::as_slice);
    if fields.len() > MAX_FIELDS {
        return Err(ApiError::too_long(&format!("{path}.fields"), MAX_FIELDS));
    }
    for (at, field) in fields.iter().enumerate() {
        for (name, most) in [("name", 256), ("value", 1_024)] {
            let path = format!("{path}.fields.{at}.{name}");
            match length(&field[name]) {
                0 => return Err(ApiError::required(&path)),
                long if long > most => return Err(ApiError::too_long(&path, most)),
                fits => total += fits,
            }
        }
    }
    links(embed, path)?;
    if embed["color"].as_u64().is_some_and(|color| color > MAX_COLOR) {
        let message = "int value should be less than or equal to 16777215.";
        return Err(ApiError::invalid(&format!("{path}.color"), "NUMBER_TYPE_MAX", message));
    }
    Ok(total)
}

/// Addresses are http(s); those of pictures may be attachments of the message.
fn links(embed: &Value, path: &str) -> Result<(), ApiError> {
    for (field, url, picture) in [
        ("url", &embed["url"], false),
        ("author.url", &embed["author"]["url"], false),
        ("image.url", &embed["image"]["url"], true),
        ("thumbnail.url", &embed["thumbnail"]["url"], true),
        ("footer.icon_url", &embed["footer"]["icon_url"], true),
        ("author.icon_url", &embed["author"]["icon_url"], true),
    ] {
        let Some(url) = url.as_str() else { continue };
        let web = url.starts_with("https://") || url.starts_with("http://");
        let attached = picture && url.starts_with("attachment://");
        if !web && !attached {
            let message = "Scheme must be one of ('http', 'https').";
            return Err(ApiError::invalid(&format!("{path}.{field}"), "URL_TYPE_INVALID_SCHEME", message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_part_of_an_embed_has_its_limit() {
        let fields =
            |name: usize, value: usize| json!([{"name": "n".repeat(name), "value": "v".repeat(value)}]);
        for (fits, refused) in [
            (json!({"title": "x".repeat(256)}), json!({"title": "x".repeat(257)})),
            (json!({"description": "x".repeat(4_096)}), json!({"description": "x".repeat(4_097)})),
            (json!({"footer": {"text": "x".repeat(2_048)}}), json!({"footer": {"text": "x".repeat(2_049)}})),
            (json!({"author": {"name": "x".repeat(256)}}), json!({"author": {"name": "x".repeat(257)}})),
            (json!({"fields": fields(256, 1_024)}), json!({"fields": fields(257, 1)})),
            (json!({"fields": fields(1, 1)}), json!({"fields": fields(1, 1_025)})),
            (json!({"fields": fields(1, 1)}), json!({"fields": fields(0, 1)})),
            (json!({"url": "https://example.org"}), json!({"url": "attachment://x.png"})),
            (json!({"image": {"url": "attachment://x.png"}}), json!({"image": {"url": "ftp://x"}})),
            (json!({"color": 0xff_ffff}), json!({"color": 0x100_0000})),
        ] {
            assert!(check(std::slice::from_ref(&fits)).is_ok(), "{fits}");
            assert_eq!(check(std::slice::from_ref(&refused)).unwrap_err().code, 50_035, "{refused}");
        }
    }

    #[test]
    fn all_embeds_together_have_a_limit_and_space_around_text_does_not_count() {
        let long = |n: usize| json!({"description": "a".repeat(n)});
        assert!(check(&[long(4_000), long(2_000)]).is_ok());
        assert!(check(&[long(4_000), long(2_001)]).is_err());
        assert!(check(&[json!({"title": format!("{}{}", " ".repeat(300), "x")})]).is_ok());
        assert!(check(&vec![long(1); 11]).is_err());
    }
}
