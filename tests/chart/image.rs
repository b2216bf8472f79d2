//! The Dockerfile: it builds what the chart and the compose file start, from files that are there.

use std::path::Path;
use std::process::Command;

use crate::{root, text_of};

fn dockerfile() -> String {
    text_of(&root().join("Dockerfile")).replace("\\\n", " ")
}

/// The instructions of this name, without it.
fn instructions(name: &str) -> Vec<String> {
    let begin = format!("{name} ");
    dockerfile().lines().filter_map(|line| line.strip_prefix(&begin)).map(str::to_owned).collect()
}

#[test]
fn the_image_is_the_program_alone_and_its_user_is_not_root() {
    let stages = instructions("FROM");
    assert_eq!(stages.last().map(String::as_str), Some("scratch AS helpline"), "the default stage");
    assert_eq!(stages.len(), 3);
    assert_eq!(instructions("USER"), ["65532:65532", "65532:65532"]);
    assert!(dockerfile().contains("ENTRYPOINT [\"/usr/local/bin/helpline\"]"));
    for ports in [9090, 8300] {
        assert!(instructions("EXPOSE").iter().any(|line| line.contains(&ports.to_string())));
    }
}

#[test]
fn dependencies_are_a_layer_of_their_own_which_no_source_changes() {
    let file = dockerfile();
    let manifest = text_of(&root().join("Cargo.toml"));
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).expect("members");
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.len() >= 4, "{members:?}");
    let (before, _) = file.split_once("\nCOPY . .\n").expect("the sources come as a whole");
    for member in members {
        assert!(before.contains(&format!("COPY {member}/Cargo.toml {member}/\n")), "no manifest of {member}");
    }
    assert!(before.contains("cargo build --release --locked"), "dependencies come before the sources");
}

#[test]
fn the_empty_sources_of_that_layer_are_all_that_the_manifests_ask_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let manifests = instructions("COPY").into_iter().take_while(|line| line != ". .");
    for line in manifests.filter(|line| line.contains("Cargo.toml")) {
        let mut files: Vec<&str> = line.split_whitespace().collect();
        let to = dir.path().join(files.pop().expect("a place"));
        std::fs::create_dir_all(&to).expect("a directory");
        for file in files {
            let name = Path::new(file).file_name().expect("a name");
            std::fs::copy(root().join(file), to.join(name)).expect("it is copied");
        }
    }
    let make = instructions("RUN").into_iter().next().expect("it makes them");
    let run = |program: &str, args: &[&str]| {
        let done = Command::new(program).args(args).current_dir(&dir).output().expect("it starts");
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    };
    run("sh", &["-euc", &make]);
    // It reads every manifest and looks for the file of every target.
    run(env!("CARGO"), &["metadata", "--offline", "--no-deps", "--format-version", "1"]);
}

#[test]
fn what_is_copied_is_there_and_not_ignored() {
    let ignored = text_of(&root().join(".dockerignore"));
    assert!(ignored.lines().any(|line| line == "*"), "everything is ignored that is not named");
    let named: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for path in named.iter().filter(|path| !path.contains('*')) {
        assert!(root().join(path).exists(), "{path} is not there");
    }
    for needed in ["Cargo.toml", "Cargo.lock", "build.rs", ".sqlx", "src", "migrations", "locales", "cluster"]
    {
        assert!(named.contains(&needed), "{needed} is left out");
    }
    for kept_out in [".env", ".git", "target", "tests", "docs"] {
        assert!(!named.contains(&kept_out), "{kept_out} goes into the build");
    }
}

#[test]
fn the_compiler_is_new_enough() {
    let given = instructions("ARG").iter().find_map(|line| line.strip_prefix("RUST=").map(str::to_owned));
    let manifest = text_of(&root().join("Cargo.toml"));
    let least = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).expect("rust-version");
    let number = |text: &str| {
        let mut parts = text.trim_matches('"').split('.').map(|part| part.parse::<u32>().expect("a number"));
        (parts.next(), parts.next())
    };
    assert!(number(&given.expect("ARG RUST")) >= number(least));
}
