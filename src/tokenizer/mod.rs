//! Counts the tokens of texts with a tokenizer of this host: a `tokenizer.json`, as models on Hugging Face have it.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tokenizers::Tokenizer;

use crate::error::{Reason, one_line, quoted};
use crate::units::{cannot_be_read, open_input};

/// The name of the file in the folder of a model.
const FILE: &str = "tokenizer.json";
/// The largest file that is read. Those of vocabularies of 256,000 tokens have 35 MB.
const BYTES_MAX: u64 = 256 << 20;
/// By these one sees whether a file is JSON at all.
const BEGINNING_BYTES: u64 = 4_096;

/// A tokenizer that was read from a file.
pub struct LocalTokenizer {
    /// The path of its file.
    path: PathBuf,
    tokenizer: Tokenizer,
}

/// Reads what may be a JSON object. Of anything else that is long, such as a device of zeros, only the beginning is
/// read, from which the parser says what it is.
fn read_object(path: &Path) -> io::Result<Vec<u8>> {
    let file = open_input(path)?;
    let mut bytes = Vec::new();
    (&file).take(BEGINNING_BYTES).read_to_end(&mut bytes)?;
    if bytes.trim_ascii_start().first() == Some(&b'{') {
        (&file).take(BYTES_MAX).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

impl LocalTokenizer {
    /// Reads a `tokenizer.json`, or that of a model's folder.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub fn read(path: &str) -> Result<LocalTokenizer, Reason> {
        let given = Path::new(path);
        let path = match given.is_dir() {
            true => given.join(FILE),
            false => given.to_owned(),
        };
        let shown = path.to_string_lossy();
        let size = path.metadata().map_err(|e| match given.is_dir() || e.kind() != std::io::ErrorKind::NotFound {
            true => cannot_be_read(&shown, &e),
            false => cannot_be_read(&shown, &e).hint(
                "write `server` to ask the server's /tokenize, or the path of a tokenizer.json or of a folder with one; \
                 names of models are not looked up",
            ),
        })?;
        if size.len() > BYTES_MAX {
            let what = format!(
                "{} has {} bytes, above the limit of {BYTES_MAX}",
                quoted(&shown),
                size.len()
            );
            return Err(Reason::new(what).hint("name a tokenizer.json"));
        }
        let bytes = read_object(&path).map_err(|e| cannot_be_read(&shown, &e))?;
        let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(|e| {
            let what = format!(
                "{} is no tokenizer.json: {}",
                quoted(&shown),
                one_line(&e.to_string())
            );
            Reason::new(what)
                .hint("name the file of that name from the model's folder, as `tokenizers` writes it")
        })?;
        // Texts count as they are, whatever a pipeline does to batches.
        tokenizer.with_padding(None);
        let cut = tokenizer.with_truncation(None).map(drop);
        cut.map_err(|e| {
            Reason::new(format!(
                "{} cannot be used: {}",
                quoted(&shown),
                one_line(&e.to_string())
            ))
        })?;
        Ok(LocalTokenizer { path, tokenizer })
    }

    /// Returns the path of its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the tokens of a text, without those that mark its ends.
    ///
    /// # Errors
    /// Says why the tokenizer cannot read it.
    pub fn count(&self, text: &str) -> Result<u32, Reason> {
        let encoded = self.tokenizer.encode_fast(text, false);
        let encoded = encoded.map_err(|e| Reason::new(one_line(&e.to_string())))?;
        Ok(u32::try_from(encoded.len()).unwrap_or(u32::MAX))
    }
}

/// Equal tokenizers are from the same file, which is read once.
impl PartialEq for LocalTokenizer {
    fn eq(&self, other: &LocalTokenizer) -> bool {
        self.path == other.path
    }
}

impl fmt::Debug for LocalTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalTokenizer({})", self.path.display())
    }
}

#[cfg(test)]
#[path = "tokenizer_tests.rs"]
mod tests;
