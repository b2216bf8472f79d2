//! The documents and questions of the demo: folders of Markdown files, each with a `questions.jsonl`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use helpline_sim::members::{FollowUp, Question, Script, ServerRef};
use serde::Deserialize;
use serde_json::json;

/// A body of knowledge that some of the servers have.
#[derive(Debug)]
pub struct Theme {
    pub name: String,
    pub documents: Vec<PathBuf>,
    questions: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    question: String,
    /// Title of the document that answers it; none = no document does.
    expect: Option<String>,
    #[serde(default)]
    follow_up_of: Option<String>,
}

/// Reads every folder of `dir`.
pub fn themes(dir: &Path) -> Result<Vec<Theme>> {
    let mut themes = Vec::new();
    for folder in sorted(dir)?.into_iter().filter(|path| path.is_dir()) {
        let path = folder.join("questions.jsonl");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let questions = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).with_context(|| format!("{}: {line}", path.display())))
            .collect::<Result<_>>()?;
        let is_document = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md");
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        themes.push(Theme {
            name,
            documents: sorted(&folder)?.into_iter().filter(is_document).collect(),
            questions,
        });
    }
    anyhow::ensure!(!themes.is_empty(), "there are no documents in {}", dir.display());
    Ok(themes)
}

fn sorted(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("read the folder {}", dir.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// The theme of a server.
pub fn theme_of(themes: &[Theme], server: usize) -> &Theme {
    &themes[server % themes.len()]
}

/// What can be asked on all servers, each question where its documents are.
pub fn script(themes: &[Theme], servers: usize) -> Script {
    let questions = (0..servers).flat_map(|server| {
        let theme = theme_of(themes, server);
        let firsts = theme.questions.iter().filter(|line| line.follow_up_of.is_none());
        firsts.map(move |line| {
            let mut question = Question::new(Some(ServerRef::Index(server)), &line.question, tag(line));
            let follows =
                theme.questions.iter().filter(|next| next.follow_up_of.as_ref() == Some(&line.question));
            question.follow_ups =
                follows.map(|next| FollowUp { text: next.question.clone(), tag: tag(next) }).collect();
            question
        })
    });
    Script { questions: questions.collect() }
}

fn tag(line: &Line) -> serde_json::Value {
    json!({ "expect": line.expect })
}
