//! The checksum in the second line of a profile, over all lines below. It shows that nobody has edited the profile
//! since it was written.

use crate::units::fnv;

const LABEL: &str = "# Checksum ";

/// The commands that write profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importer {
    K6,
    InferencePerf,
}

impl Importer {
    const ALL: [Importer; 2] = [Importer::K6, Importer::InferencePerf];

    /// Returns the command as it is typed.
    pub fn command(self) -> &'static str {
        match self {
            Importer::K6 => "import-k6",
            Importer::InferencePerf => "import-inference-perf",
        }
    }
}

/// Writes a profile with its checksum. `head` is the first line, `body` everything after the checksum.
pub fn stamped(importer: Importer, head: &str, body: &str) -> String {
    let command = importer.command();
    let sum = fnv(body.as_bytes());
    format!(
        "{head}\n{LABEL}{sum:016x} of the lines below: {command} replaces this file only while it is right.\n{body}"
    )
}

/// Tells whether the text is unchanged since an importer wrote it.
pub fn is_as_written(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let mut lines = text.splitn(3, '\n');
    let (Some(head), Some(_), Some(body)) = (lines.next(), lines.next(), lines.next()) else {
        return false;
    };
    Importer::ALL
        .into_iter()
        .any(|importer| stamped(importer, head, body) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_edit_of_the_checksum_or_below_it_is_detected() {
        let text = stamped(Importer::InferencePerf, "# by me", "vus: 3\nduration: 1s\n");
        assert!(is_as_written(text.as_bytes()));
        let (at, _) = text.match_indices('3').next_back().unwrap();
        let edits = [
            text.replacen("vus: 3", "vus: 4", 1),
            text.replacen("Checksum", "checksum", 1),
            format!("{text}\n"),
            text[..text.len() - 1].to_owned(),
            text.replace('\n', "\r\n"),
            text.lines().skip(1).collect::<Vec<_>>().join("\n"),
            format!("{}{}", &text[..at], &text[at + 1..]),
            String::new(),
        ];
        for edited in edits {
            assert!(!is_as_written(edited.as_bytes()), "{edited}");
        }
        assert!(!is_as_written(b"# x\n# Checksum \xff\n"));
    }
}
