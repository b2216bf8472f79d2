use serde_json::{Value, json};

use super::*;

const SERVER: ServerId = ServerId(3);

fn used(options: &Value, resolved: &Value) -> Interaction {
    let whole = json!({ "id": "1", "application_id": "2", "type": 2, "token": "t", "guild_id": "3",
        "channel_id": "4", "member": { "user": { "id": "5" } },
        "data": { "name": "knowledge", "options": [options], "resolved": resolved } });
    serde_json::from_value(whole).unwrap()
}

fn add(options: &Value, resolved: &Value) -> Result<Request, String> {
    request(&used(&json!({ "name": "add", "type": 1, "options": options }), resolved), SERVER, Lang::En)
}

fn link(link: &str) -> Result<Request, String> {
    add(&json!([{ "name": "link", "type": 3, "value": link }]), &json!({}))
}

#[test]
fn a_file_is_taken_by_its_ending_and_its_size() {
    let file = |name: &str, size: u64| {
        let files =
            json!({ "attachments": { "9": { "filename": name, "size": size, "url": "https://x/9" } } });
        add(&json!([{ "name": "file", "type": 11, "value": "9" }]), &files)
    };
    for good in ["a.txt", "A.MD", "b.markdown", "c.pdf"] {
        assert!(matches!(file(good, 9), Ok(Request::Learn { source: Source::File { .. }, .. })), "{good}");
    }
    for (bad, size) in [("a.docx", 9), ("a", 9), ("a.txt", 1 << 30), ("a.pdf", 1 << 30)] {
        assert!(file(bad, size).is_err(), "{bad} of {size}");
    }
    assert!(file(&"\u{202e}".repeat(300), 9).unwrap_err().chars().count() < 500);
    let missing = add(&json!([{ "name": "file", "type": 11, "value": "9" }]), &json!({}));
    assert_eq!(missing, Err(say!(Lang::En, "documents-no-file")));
}

#[test]
fn a_link_leads_to_a_message_of_this_channel_of_this_server_or_is_refused() {
    let here = Request::Learn {
        source: Source::Message { channel: ChannelId(4), message: MessageId(7) },
        title: None,
        replaces: None,
    };
    for good in ["https://discord.com/channels/3/4/7", " <https://ptb.discord.com/channels/3/4/7/> "] {
        assert_eq!(link(good), Ok(here.clone()), "{good}");
    }
    assert_eq!(link("https://discord.com/channels/8/4/7"), Err(say!(Lang::En, "documents-link-elsewhere")));
    assert_eq!(link("https://discord.com/channels/3/5/7"), Err(say!(Lang::En, "documents-link-channel")));
    for bad in [
        "https://evil.example/channels/3/4/7",
        "http://discord.com/channels/3/4/7",
        "https://discord.com@evil.example/channels/3/4/7",
        "https://discord.com/channels/3/4",
        "https://discord.com/channels/3/4/7/9",
        "https://discord.com/channels/3/4/../7",
        "x",
    ] {
        assert_eq!(link(bad), Err(say!(Lang::En, "documents-no-link")), "{bad}");
    }
}

#[test]
fn without_file_and_link_the_form_is_opened() {
    assert_eq!(add(&json!([]), &json!({})), Ok(Request::Write { replaces: None }));
    let options = json!([{ "name": "document", "type": 3, "value": " Rules " }]);
    let replace = used(&json!({ "name": "replace", "type": 1, "options": options }), &json!({}));
    assert_eq!(
        request(&replace, SERVER, Lang::En),
        Ok(Request::Write { replaces: Some("Rules".to_owned()) })
    );
}

#[test]
fn every_interaction_has_a_lane_of_its_own_that_no_conversation_has() {
    let ids = [0, 1, 2, 1 << 40, u64::MAX, u64::MAX >> 1, u64::MAX >> 2];
    let mut lanes: Vec<Uuid> = ids.iter().map(|id| lane_of(InteractionId(*id))).collect();
    assert!(lanes.iter().all(|lane| lane.get_version_num() == 8));
    lanes.sort();
    lanes.dedup();
    assert_eq!(lanes.len(), ids.len());
}
