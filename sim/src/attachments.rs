//! Uploaded files, and the signed addresses they are served under for a while.
//!
//! The bytes stay in memory up to a bound; past it the oldest files go. An address carries when it was given
//! out and when it ends, and a signature over both; each rendering of a message gives a fresh one.
//! <https://discord.com/developers/docs/reference#signed-attachment-cdn-urls> and
//! <https://discord.com/developers/docs/resources/message#attachment-object>

use crate::config::Config;
use crate::ids::{AttachmentId, ChannelId};
use crate::lock;
use base64::Engine;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// Largest file, in bytes (10 MiB).
pub(crate) const MAX_FILE_BYTES: usize = 10 * 1024 * 1024;
/// Most files of one message.
pub(crate) const MAX_FILES: usize = 10;
pub(crate) const MAX_DESCRIPTION: usize = 1_024;
const IS_SPOILER: u64 = 1 << 3;

/// A file that somebody sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Name with its ending, such as `log.txt`.
    pub name: String,
    /// Media type; `None` is read from the name's ending.
    pub content_type: Option<String>,
    /// What is in it.
    pub bytes: Bytes,
    /// Text for those who do not see it.
    pub description: Option<String>,
}

impl File {
    /// A text file.
    pub fn text(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), bytes: Bytes::from(text.to_owned()), ..Self::default() }
    }

    /// Reads `{"filename", "text" or "base64", "content_type"?, "description"?}`.
    pub fn from_json(value: &Value) -> Option<Self> {
        let text = |field: &str| value[field].as_str().map(str::to_owned);
        let bytes = match text("base64") {
            Some(encoded) => base64::engine::general_purpose::STANDARD.decode(encoded).ok()?,
            None => text("text")?.into_bytes(),
        };
        Some(Self {
            name: text("filename")?,
            content_type: text("content_type"),
            bytes: Bytes::from(bytes),
            description: text("description"),
        })
    }
}

/// Whether a file's name has one of the endings or groups in `types`; an empty list takes all.
/// <https://discord.com/developers/docs/reference#file-type-filtering>
pub(crate) fn fits_types(name: &str, types: &Value) -> bool {
    let types = types.as_array().map_or(&[][..], Vec::as_slice);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    let group = |kind: &str| -> &[&str] {
        match kind {
            "image" => &["png", "gif", "jpg", "jpeg", "jfif", "webp", "avif"],
            "video" => &["mp4", "mov", "qt", "webm"],
            "audio" => &["mp3", "m4a", "wav", "ogg", "opus", "flac"],
            _ => &[],
        }
    };
    let fits = |kind: &Value| {
        let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
        kind.strip_prefix('.') == Some(&ending) || group(&kind).contains(&ending.as_str())
    };
    types.is_empty() || types.iter().any(fits)
}

/// A file of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) id: AttachmentId,
    pub(crate) channel: ChannelId,
    pub(crate) filename: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) content_type: String,
    pub(crate) size: usize,
    pub(crate) spoiler: bool,
    pub(crate) ephemeral: bool,
}

#[derive(Debug, Default)]
struct Kept {
    files: HashMap<AttachmentId, (Arc<Attachment>, Bytes)>,
    order: VecDeque<AttachmentId>,
    bytes: usize,
}

/// All files and the key their addresses are signed with.
#[derive(Debug)]
pub(crate) struct Files {
    kept: Mutex<Kept>,
    base: String,
    life_ms: u64,
    capacity_bytes: usize,
    key: u64,
}

impl Files {
    pub(crate) fn new(config: &Config, addr: SocketAddr) -> Self {
        Self {
            kept: Mutex::default(),
            base: format!("http://{addr}"),
            life_ms: u64::try_from(config.attachment_url_life.as_millis()).unwrap_or(u64::MAX),
            capacity_bytes: config.attachment_bytes,
            key: fastrand::Rng::with_seed(config.seed ^ 0x5163_6e65_6420_7572).u64(..),
        }
    }

    /// Keeps a file. Past the capacity the oldest are forgotten.
    pub(crate) fn keep(&self, attachment: Attachment, bytes: Bytes) -> Arc<Attachment> {
        let attachment = Arc::new(attachment);
        let mut kept = lock(&self.kept);
        kept.bytes += bytes.len();
        kept.order.push_back(attachment.id);
        kept.files.insert(attachment.id, (attachment.clone(), bytes));
        while kept.bytes > self.capacity_bytes {
            let Some(oldest) = kept.order.pop_front() else { break };
            if let Some((_, bytes)) = kept.files.remove(&oldest) {
                kept.bytes -= bytes.len();
            }
        }
        attachment
    }

    /// Forgets the files of a message that is gone.
    pub(crate) fn forget(&self, attachments: &[Arc<Attachment>]) {
        if attachments.is_empty() {
            return;
        }
        let mut kept = lock(&self.kept);
        for attachment in attachments {
            if let Some((_, bytes)) = kept.files.remove(&attachment.id) {
                kept.bytes -= bytes.len();
            }
        }
        let kept = &mut *kept;
        kept.order.retain(|id| kept.files.contains_key(id));
    }

    pub(crate) fn get(&self, channel: ChannelId, id: AttachmentId) -> Option<(Arc<Attachment>, Bytes)> {
        lock(&self.kept).files.get(&id).filter(|(file, _)| file.channel == channel).cloned()
    }

    /// An address that serves the file until its life is over.
    pub(crate) fn url(&self, attachment: &Attachment, now_ms: u64) -> String {
        let (issued, ends) = (now_ms, now_ms.saturating_add(self.life_ms));
        format!(
            "{}/attachments/{}/{}/{}?ex={ends:x}&is={issued:x}&hm={}&",
            self.base,
            attachment.channel.get(),
            attachment.id.get(),
            attachment.filename,
            self.signature(attachment.id, issued, ends),
        )
    }

    fn signature(&self, id: AttachmentId, issued: u64, ends: u64) -> String {
        let part = |n: u64| {
            let mut hasher = DefaultHasher::new();
            (self.key, n, id.get(), issued, ends).hash(&mut hasher);
            format!("{:016x}", hasher.finish())
        };
        (0..4).map(part).collect()
    }

    /// Whether a signed address is genuine and not over.
    pub(crate) fn is_valid(&self, id: AttachmentId, issued: u64, ends: u64, hm: &str, now_ms: u64) -> bool {
        now_ms < ends && hm == self.signature(id, issued, ends)
    }
}

/// The name a file is kept under: letters, digits, dot, dash and underscore.
pub(crate) fn safe_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' };
    let name: String = name.chars().map(safe).collect();
    if name.trim_matches(['.', '_']).is_empty() { "file".to_owned() } else { name }
}

/// The media type of a file by the ending of its name.
fn by_name(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("mp4") => "video/mp4",
        Some("mp3") => "audio/mpeg",
        Some("pdf") => "application/pdf",
        Some("json") => "application/json",
        Some("zip") => "application/zip",
        Some("htm" | "html") => "text/html; charset=utf-8",
        Some("md") => "text/markdown; charset=utf-8",
        Some("txt" | "log" | "csv" | "yml" | "yaml" | "toml" | "ini" | "cfg") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

impl Attachment {
    pub(crate) fn new(id: AttachmentId, channel: ChannelId, file: &File, ephemeral: bool) -> Self {
        let filename = safe_name(&file.name);
        let spoiler = filename.starts_with("SPOILER_");
        let content_type = file.content_type.clone().unwrap_or_else(|| by_name(&filename).to_owned());
        Self {
            id,
            channel,
            title: (filename != file.name).then(|| file.name.clone()),
            filename,
            description: file.description.clone(),
            content_type,
            size: file.bytes.len(),
            spoiler,
            ephemeral,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct AttachmentJson<'a> {
    id: AttachmentId,
    filename: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    content_type: &'a str,
    size: usize,
    proxy_url: String,
    url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ephemeral: bool,
    flags: u64,
}

impl<'a> AttachmentJson<'a> {
    pub(crate) fn new(attachment: &'a Attachment, files: &Files, now_ms: u64) -> Self {
        let url = files.url(attachment, now_ms);
        Self {
            id: attachment.id,
            filename: &attachment.filename,
            title: attachment.title.as_deref(),
            description: attachment.description.as_deref(),
            content_type: &attachment.content_type,
            size: attachment.size,
            proxy_url: url.clone(),
            url,
            ephemeral: attachment.ephemeral,
            flags: if attachment.spoiler { IS_SPOILER } else { 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, size: usize) -> File {
        File { name: name.to_owned(), bytes: Bytes::from(vec![0; size]), ..File::default() }
    }

    #[test]
    fn an_address_is_good_until_its_end_and_only_unchanged() {
        let files = Files::new(&Config::default(), SocketAddr::from(([127, 0, 0, 1], 1)));
        let (id, now) = (AttachmentId(5), 1_000_000);
        let ends = now + files.life_ms;
        let hm = files.signature(id, now, ends);
        assert!(files.is_valid(id, now, ends, &hm, ends - 1));
        assert!(!files.is_valid(id, now, ends, &hm, ends));
        assert!(!files.is_valid(id, now, ends + 1, &hm, now), "a longer life was not signed");
        assert!(!files.is_valid(AttachmentId(6), now, ends, &hm, now));
    }

    #[test]
    fn past_the_capacity_the_oldest_files_go() {
        let config = Config { attachment_bytes: 100, ..Config::default() };
        let files = Files::new(&config, SocketAddr::from(([127, 0, 0, 1], 1)));
        let keep = |id| {
            let file = file("a.txt", 60);
            files.keep(Attachment::new(AttachmentId(id), ChannelId(1), &file, false), file.bytes)
        };
        keep(1);
        let second = keep(2);
        assert!(files.get(ChannelId(1), AttachmentId(1)).is_none());
        assert!(files.get(ChannelId(1), AttachmentId(2)).is_some());
        assert!(files.get(ChannelId(2), AttachmentId(2)).is_none(), "not of that channel");
        files.forget(&[second]);
        assert_eq!(lock(&files.kept).bytes, 0);
    }

    #[test]
    fn names_are_made_safe_and_tell_the_type() {
        assert_eq!(safe_name("my log (1).txt"), "my_log__1_.txt");
        assert_eq!(safe_name("../.."), "file");
        let attachment = Attachment::new(AttachmentId(1), ChannelId(1), &file("SPOILER_ä.PNG", 1), false);
        assert_eq!((attachment.content_type.as_str(), attachment.spoiler), ("image/png", true));
        assert_eq!(attachment.title.as_deref(), Some("SPOILER_ä.PNG"));
    }
}
