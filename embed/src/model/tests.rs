use super::*;
use crate::tensors;

const CONFIG: &str = r#"{"model_type": "bert", "hidden_act": "gelu", "hidden_size": 8, "intermediate_size": 16,
    "num_attention_heads": 2, "num_hidden_layers": 1, "max_position_embeddings": 12, "vocab_size": 7,
    "layer_norm_eps": 1e-12}"#;

/// A model of no sense, small enough to be written in a test.
fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    put(&dir, "config.json", CONFIG.as_bytes());
    put(&dir, "vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\ngate\nopen\n##s\n");
    put(&dir, "model.safetensors", &weights(|_, at| ((at as f32) * 0.37).sin()));
    dir
}

fn put(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) {
    std::fs::write(dir.path().join(name), bytes).expect("written");
}

fn weights(value: impl Fn(&str, usize) -> f32) -> Vec<u8> {
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".into(), vec![7, 8]),
        ("embeddings.position_embeddings.weight".into(), vec![12, 8]),
        ("embeddings.token_type_embeddings.weight".into(), vec![2, 8]),
    ];
    let mut pair = |at: &str, shape: Vec<usize>| {
        shapes.push((format!("{at}.bias"), vec![shape[0]]));
        shapes.push((format!("{at}.weight"), shape));
    };
    pair("embeddings.LayerNorm", vec![8]);
    for name in ["self.query", "self.key", "self.value", "output.dense"] {
        pair(&format!("encoder.layer.0.attention.{name}"), vec![8, 8]);
    }
    for name in ["attention.output.LayerNorm", "output.LayerNorm"] {
        pair(&format!("encoder.layer.0.{name}"), vec![8]);
    }
    pair("encoder.layer.0.intermediate.dense", vec![16, 8]);
    pair("encoder.layer.0.output.dense", vec![8, 16]);
    let filled = |(name, shape): (String, Vec<usize>)| {
        let values = (0..shape.iter().product()).map(|at| value(&name, at)).collect();
        (name, shape, values)
    };
    tensors::file(&shapes.into_iter().map(filled).collect::<Vec<_>>())
}

fn refused(dir: &tempfile::TempDir) -> String {
    Model::open(dir.path()).map(drop).expect_err("it is refused").to_string()
}

#[test]
fn a_directory_becomes_a_model_with_a_name_of_its_own() {
    let dir = written();
    let model = Model::open(dir.path()).expect("it is good");
    let vector = model.vector("Gate opens");
    assert_eq!((vector.len(), model.dimensions(), model.name().len()), (8, 8, 16));
    let length: f32 = vector.iter().map(|value| value * value).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
    assert_eq!(vector, model.vector("gate  OPENS"));
    assert_ne!(vector, model.vector("opens gate"), "the order of words counts");
    assert_eq!(model.vector(&"gate ".repeat(10_000)).len(), 8);
    assert_eq!(model.name(), Model::open(dir.path()).expect("again").name());
    put(&dir, "model.safetensors", &weights(|_, at| ((at as f32) * 0.38).sin()));
    assert_ne!(model.name(), Model::open(dir.path()).expect("changed").name());
}

#[test]
fn what_is_no_such_model_is_refused_with_the_reason() {
    let dir = written();
    put(&dir, "config.json", br#"{"model_type": "xlm-roberta"}"#);
    assert!(refused(&dir).contains("model_type in config.json is \"xlm-roberta\""));
    put(
        &dir,
        "config.json",
        CONFIG.replace("\"num_attention_heads\": 2", "\"num_attention_heads\": 3").as_bytes(),
    );
    assert!(refused(&dir).contains("num_attention_heads"));
    put(&dir, "config.json", CONFIG.replace("\"vocab_size\": 7", "\"vocab_size\": 6").as_bytes());
    assert!(refused(&dir).contains("vocab.txt"));
    put(
        &dir,
        "config.json",
        CONFIG.replace("\"intermediate_size\": 16", "\"intermediate_size\": 15").as_bytes(),
    );
    assert!(refused(&dir).contains("does not fit config.json"));
    put(&dir, "config.json", b"{");
    assert!(refused(&dir).contains("config.json: "));
    put(&dir, "config.json", CONFIG.as_bytes());
    std::fs::create_dir(dir.path().join("1_Pooling")).expect("made");
    put(&dir, "1_Pooling/config.json", br#"{"pooling_mode_max_tokens": true}"#);
    assert!(refused(&dir).contains("1_Pooling"));
    put(&dir, "1_Pooling/config.json", br#"{"pooling_mode_cls_token": true}"#);
    assert!(Model::open(dir.path()).is_ok());
    put(&dir, "model.safetensors", &weights(|_, at| if at == 3 { f32::NAN } else { 0.1 }));
    assert!(refused(&dir).contains("not finite"));
    put(&dir, "model.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\xffno tensors");
    assert!(refused(&dir).starts_with("model.safetensors: "));
    std::fs::remove_file(dir.path().join("vocab.txt")).expect("removed");
    assert!(refused(&dir).contains("vocab.txt"));
}
