//! A value that stands on the command line, or in a file that `@` names, as in curl.

use crate::error::{Reason, ValueError};

/// A value, or the file that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrFile<T> {
    Given(T),
    File(String),
}

/// Returns the parser of a value that `read` reads, or of `@FILE`.
pub fn or_file<T>(
    read: impl Fn(&str) -> Result<T, ValueError> + Clone,
) -> impl Fn(&str) -> Result<OrFile<T>, ValueError> + Clone {
    move |text| match text.strip_prefix('@') {
        None => read(text).map(OrFile::Given),
        Some("") => Err(Reason::new("no file follows `@`")
            .hint("write `@FILE`, or the value itself")
            .into()),
        Some("-") => Err(
            Reason::new("`@-` is standard input, which only a document is read from")
                .hint("write `@FILE`, or `@/dev/stdin`")
                .into(),
        ),
        Some(file) => Ok(OrFile::File(file.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_an_at_sign() {
        let read = or_file(|text| match text {
            "" => Err(Reason::new("empty").into()),
            text => Ok(text.len()),
        });
        assert_eq!(read("abc"), Ok(OrFile::Given(3)));
        assert_eq!(read("@a.json"), Ok(OrFile::File("a.json".to_owned())));
        assert!(format!("{:?}", read("@-")).contains("standard input"));
        assert!(read("@").is_err() && read("").is_err());
    }
}
