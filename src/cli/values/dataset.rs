//! A dataset on the command line: `FORMAT:FILE`.

use crate::dataset::{Format, first_record};
use crate::error::{Reason, ValueError, quoted};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// The format of a dataset, by its name, and its file; `-` is standard input.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetArg {
    pub format: Format,
    pub file: String,
}

impl std::str::FromStr for DatasetArg {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<DatasetArg, ValueError> {
        let wrong = |what: String, name: Option<&str>, file: &str| {
            let hint = Format::advice(name, first_of(file).as_deref());
            ValueError::from(Reason::new(what).hint(hint))
        };
        let Some((name, file)) = text.split_once(':') else {
            let what = format!("{} does not say the format: write FORMAT:FILE", quoted(text));
            return Err(match Format::from_name(text) {
                Some(_) => wrong(
                    format!("{} does not say the file: write FORMAT:FILE", quoted(text)),
                    None,
                    "",
                ),
                None => wrong(what, None, text),
            });
        };
        if file.is_empty() {
            let what = format!("{} does not say the file: write FORMAT:FILE", quoted(text));
            return Err(Reason::new(what).hint("`-` is standard input").into());
        }
        // A colon may be a part of a path.
        let whole = Path::new(text).is_file();
        match Format::from_name(name) {
            Some(format) => Ok(DatasetArg {
                format,
                file: file.to_owned(),
            }),
            None if whole => Err(wrong(
                format!("{} does not say the format: write FORMAT:FILE", quoted(text)),
                None,
                text,
            )),
            None => Err(wrong(
                format!("{} is no format of a dataset", quoted(name)),
                Some(name),
                file,
            )),
        }
    }
}

/// Returns the first record of a file, if there is such a file, to say what it looks like.
fn first_of(file: &str) -> Option<String> {
    let path = Path::new(file);
    if !path.is_file() {
        return None;
    }
    let input: Box<dyn BufRead> = Box::new(BufReader::new(File::open(path).ok()?));
    first_record(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        text.parse::<DatasetArg>().unwrap_err().to_string()
    }

    #[test]
    fn a_format_and_a_file_are_separated_by_the_first_colon() {
        let arg: DatasetArg = "mooncake:a:b.jsonl".parse().unwrap();
        assert_eq!((arg.format.name(), arg.file.as_str()), ("mooncake", "a:b.jsonl"));
        assert_eq!("custom:-".parse::<DatasetArg>().unwrap().file, "-");
    }

    #[test]
    fn what_is_missing_or_unknown_is_said_with_the_names() {
        assert!(wrong("trace.jsonl").contains("`trace.jsonl` does not say the format"));
        assert!(wrong("trace.jsonl").contains("formats are sharegpt, custom,"));
        assert!(wrong("mooncake").contains("does not say the file"));
        assert!(wrong("mooncake:").contains("does not say the file"));
        assert!(wrong("mooncak:x").contains("`mooncak` is no format of a dataset; did you mean `mooncake`?"));
        let file = std::env::temp_dir().join(format!("llmload-dataset-arg-{}.jsonl", std::process::id()));
        std::fs::write(&file, "{\"messages\":[]}\n").unwrap();
        let path = file.to_str().unwrap();
        for text in [path.to_owned(), format!("x:{path}")] {
            assert!(
                wrong(&text).contains("the first record looks like `openai`; formats are"),
                "{text}"
            );
        }
        std::fs::remove_file(file).unwrap();
    }
}
