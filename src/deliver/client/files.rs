//! Files that go along with a reply to an interaction, as a form of several parts.
//!
//! Source: <https://discord.com/developers/docs/reference#uploading-files>.

use bytes::Bytes;
use helpline_cluster::fence::Fence;
use reqwest::Method;
use serde_json::{Value, json};

use super::replies::original;
use super::{Client, DONE, Outcome, Reply};
use crate::discord::{ApplicationId, InteractionId, code};

/// A file that is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Letters, digits, `-` and `.` only: it stands in a header.
    pub name: String,
    pub content_type: &'static str,
    pub content: String,
}

impl Client {
    /// A reply with files that only whoever made the interaction sees. Where it is acknowledged already, they fill the reply that
    /// is there.
    pub async fn reply_with_files(
        &self,
        fence: &Fence,
        (interaction, application, token): (InteractionId, ApplicationId, &str),
        content: &str,
        files: &[File],
    ) -> Outcome {
        let attachments: Vec<Value> =
            files.iter().enumerate().map(|(n, file)| json!({ "id": n, "filename": file.name })).collect();
        let mut data =
            json!({ "content": content, "attachments": attachments, "allowed_mentions": { "parse": [] } });
        let patch = form(&data, files);
        data["flags"] = 64.into();
        let callback = form(&json!({ "type": 4, "data": data }), files);
        let path = format!("/interactions/{}/{token}/callback", interaction.0);
        match self.send_form(fence, Method::POST, &path, callback).await {
            Reply::Ok(_) => DONE,
            Reply::Refused { code: code::ALREADY_ACKNOWLEDGED, .. } => {
                match self.send_form(fence, Method::PATCH, &original(application, token), patch).await {
                    // The member has dismissed it.
                    Reply::Refused { code: code::UNKNOWN_MESSAGE, .. } => DONE,
                    reply => reply.into(),
                }
            }
            reply => reply.into(),
        }
    }

    async fn send_form(&self, fence: &Fence, method: Method, path: &str, form: Form) -> Reply {
        let kind = format!("multipart/form-data; boundary={}", form.boundary);
        self.send_as(fence, method, path, |request| {
            request.header("content-type", &kind).body(form.body.clone())
        })
        .await
    }
}

struct Form {
    boundary: String,
    body: Bytes,
}

fn form(payload: &Value, files: &[File]) -> Form {
    let payload = payload.to_string();
    let mut boundary = "helpline-part".to_owned();
    // Whatever members wrote, no part ends early.
    while payload.contains(&boundary) || files.iter().any(|file| file.content.contains(&boundary)) {
        boundary.push_str("-x");
    }
    let mut body = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"payload_json\"\r\n\
         content-type: application/json\r\n\r\n{payload}\r\n"
    );
    for (n, file) in files.iter().enumerate() {
        body.push_str(&format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"files[{n}]\"; filename=\"{}\"\r\n\
             content-type: {}\r\n\r\n{}\r\n",
            file.name, file.content_type, file.content
        ));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    Form { boundary, body: body.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_members_wrote_ends_no_part() {
        let content = "--helpline-part\r\nx\r\n--helpline-part-x--".to_owned();
        let file = File { name: "a.txt".to_owned(), content_type: "text/plain", content: content.clone() };
        let form = form(&json!({}), &[file]);
        assert_eq!(form.boundary, "helpline-part-x-x");
        let body = String::from_utf8(form.body.to_vec()).unwrap();
        let parts: Vec<&str> = body.split("--helpline-part-x-x").collect();
        assert_eq!(parts.len(), 4, "nothing, two parts, and the end");
        assert!(parts[2].ends_with(&format!("\r\n\r\n{content}\r\n")), "{}", parts[2]);
    }
}
