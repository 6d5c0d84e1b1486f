//! Finds the end of TypeScript's types, which are skipped because they say nothing about values.

use super::tokens::Tokens;

const PREFIXES: [&str; 8] = [
    "keyof", "typeof", "readonly", "unique", "infer", "asserts", "abstract", "new",
];

/// The largest number of tokens in the arguments of one type.
const ARGUMENTS_MAX: usize = 100;

/// Returns the token after the type that begins at `at`, or `at` itself if no type begins there.
pub fn type_end(tokens: &Tokens<'_>, mut at: usize) -> usize {
    loop {
        while tokens.word(at).is_some_and(|word| PREFIXES.contains(&word)) && !ends_type(tokens, at + 1) {
            at += 1;
        }
        match tokens.sign(at) {
            Some("|" | "&" | "-") => {
                at += 1;
                continue;
            }
            // Type parameters of a function.
            Some("<") => match arguments_end(tokens, at) {
                Some(end) => {
                    at = end;
                    continue;
                }
                None => return at,
            },
            Some("(") => {
                at = tokens.behind(at);
                if tokens.is_sign(at, "=>") {
                    at += 1;
                    continue;
                }
            }
            Some("{" | "[") => at = tokens.behind(at),
            Some(_) => return at,
            // `import('k6/options').Options`
            None if tokens.is_word(at, "import") && tokens.is_sign(at + 1, "(") => at = tokens.behind(at + 1),
            None if tokens.get(at).is_some() => at += 1,
            None => return at,
        }
        at = suffix_end(tokens, at);
        match tokens.sign(at) {
            Some("|" | "&") => at += 1,
            _ if tokens.is_word(at, "is") || tokens.is_word(at, "extends") => at += 1,
            _ => return at,
        }
    }
}

/// Tells whether no part of a type is at `at`, so that the word before it is a type's name.
fn ends_type(tokens: &Tokens<'_>, at: usize) -> bool {
    !matches!(tokens.sign(at), None | Some("(" | "[" | "{" | "<")) || tokens.get(at).is_none()
}

/// Returns the token after a type's suffixes: `.name`, `<arguments>`, `[]` and `[key]`.
fn suffix_end(tokens: &Tokens<'_>, mut at: usize) -> usize {
    loop {
        let goes_on = tokens.get(at).is_some_and(|token| !token.after_newline);
        match tokens.sign(at) {
            Some(".") => at += 2,
            Some("<") => match arguments_end(tokens, at) {
                Some(end) => at = end,
                None => return at,
            },
            Some("[") if goes_on => at = tokens.behind(at),
            _ => return at,
        }
    }
}

/// Returns the token after the `>` that belongs to the `<` at `at`; `None` if it is an operator.
pub fn arguments_end(tokens: &Tokens<'_>, at: usize) -> Option<usize> {
    let mut depth = 0u32;
    let mut at = at;
    for _ in 0..ARGUMENTS_MAX {
        match tokens.sign(at) {
            Some("<") => depth += 1,
            Some(">") if depth == 1 => return Some(at + 1),
            Some(">") => depth -= 1,
            Some("," | "." | "|" | "&" | "?" | ":" | "=>" | "=" | "-" | "...") => {}
            Some("(" | "[" | "{") => at = tokens.partner(at),
            Some(_) => return None,
            None => {
                tokens.get(at)?;
            }
        }
        at += 1;
    }
    None
}
