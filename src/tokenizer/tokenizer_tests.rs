use super::*;

/// A tokenizer of whole words, which knows four.
const WORDS: &str = r#"{"version":"1.0","truncation":{"direction":"Right","max_length":3,"strategy":"LongestFirst",
    "stride":0},"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"WhitespaceSplit"},
    "post_processor":null,"decoder":null,
    "model":{"type":"WordLevel","vocab":{"the":0,"of":1,"and":2,"[UNK]":3},"unk_token":"[UNK]"}}"#;

/// A folder of one test, which is removed with everything in it.
struct Dir(PathBuf);

impl Dir {
    fn of(test: &str) -> Dir {
        let name = format!("llmload-tokenizer-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_or_its_folder_counts_texts_whole() {
    let dir = Dir::of("counts");
    let folder = dir.0.clone();
    let file = folder.join(FILE);
    std::fs::write(&file, WORDS).unwrap();
    for path in [&file, &folder] {
        let tokenizer = LocalTokenizer::read(path.to_str().unwrap()).unwrap();
        assert_eq!(tokenizer.path(), file);
        // It is not cut at three, as batches are.
        assert_eq!(tokenizer.count("the of and the people"), Ok(5));
    }
}

#[test]
fn files_that_are_no_tokenizers_are_refused_by_name() {
    let dir = Dir::of("broken");
    let file = dir.0.join("broken.json");
    std::fs::write(&file, "{\"model\": {}}").unwrap();
    for (path, expected) in [
        (file.to_str().unwrap(), "is no tokenizer.json: "),
        ("Qwen/no-such-model", "names of models are not looked up"),
    ] {
        let reason = LocalTokenizer::read(path).unwrap_err();
        assert!(format!("{reason:?}").contains(expected), "{reason:?}");
    }
}
