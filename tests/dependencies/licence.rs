//! Licence expressions of crates (SPDX, and the slash of older crates).

/// Returns whether the licences that `is_allowed` allows satisfy an expression, or what is wrong with it. Each name is
/// asked for. `MIT+` is asked for as `MIT`: it allows that version as well. A licence with an exception has to be
/// allowed with it: `Apache-2.0 WITH LLVM-exception`.
pub fn holds(expression: &str, is_allowed: &mut dyn FnMut(&str) -> bool) -> Result<bool, &'static str> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let holds = any(&mut words, is_allowed)?;
    match words.is_empty() {
        true => Ok(holds),
        false => Err("goes on behind its end"),
    }
}

fn any(words: &mut Vec<&str>, is_allowed: &mut dyn FnMut(&str) -> bool) -> Result<bool, &'static str> {
    let mut holds = all(words, is_allowed)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        holds |= all(words, is_allowed)?;
    }
    Ok(holds)
}

fn all(words: &mut Vec<&str>, is_allowed: &mut dyn FnMut(&str) -> bool) -> Result<bool, &'static str> {
    let mut holds = one(words, is_allowed)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        holds &= one(words, is_allowed)?;
    }
    Ok(holds)
}

fn one(words: &mut Vec<&str>, is_allowed: &mut dyn FnMut(&str) -> bool) -> Result<bool, &'static str> {
    match words.pop() {
        None => Err("ends too early"),
        Some("(") => {
            let holds = any(words, is_allowed)?;
            match words.pop() {
                Some(")") => Ok(holds),
                _ => Err("has no closing bracket"),
            }
        }
        Some(name) => match words.pop_if(|word| *word == "WITH") {
            None => Ok(is_allowed(name.trim_end_matches('+'))),
            Some(_) => match words.pop() {
                None => Err("ends too early"),
                Some(exception) => Ok(is_allowed(&format!("{name} WITH {exception}"))),
            },
        },
    }
}
