use super::*;
use crate::dataset::row::{Blocks, Ids};

fn no_file() -> io::Result<File> {
    panic!("these rows fit into memory")
}

fn some_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!(
        "llmload-rows-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[test]
fn rows_come_back_by_their_number() {
    let mut builder = Builder::default();
    for (i, output) in [Some(7), None, Some(9)].into_iter().enumerate() {
        let text = format!("\"row {i}\"");
        let row = Row::of(Content::Text(&text));
        let at = Some(100 - i as i64);
        builder.push(&row, output, at, &mut no_file).unwrap();
    }
    let rows = builder.finish(Zero::First);
    assert_eq!(rows.len(), 3);
    let bytes = rows.bytes(1).unwrap();
    assert_eq!(bytes.row().content, Content::Text("\"row 1\""));
    assert_eq!([0, 1, 2].map(|i| rows.output_tokens(i)), [Some(7), None, Some(9)]);
    assert_eq!([0, 1, 2].map(|i| rows.at(i)), [Some(2), Some(1), Some(0)]);
    assert!(matches!(rows.bytes, Bytes::Memory(_)));
}

#[test]
fn prompts_that_are_made_have_their_length_and_others_none() {
    let mut builder = Builder::default();
    let made = |input_tokens| {
        let ids = Ids::List(&[]);
        let block = 16;
        Content::Blocks(Blocks {
            input_tokens,
            block,
            ids,
        })
    };
    for content in [Content::Text("\"a\""), made(700), Content::Text("\"b\""), made(5)] {
        builder.push(&Row::of(content), None, None, &mut no_file).unwrap();
    }
    let rows = builder.finish(Zero::Own);
    assert!(rows.has_lengths());
    assert_eq!([0, 1, 2, 3].map(|i| rows.input_tokens(i)), [0, 700, 0, 5]);
}

#[test]
fn many_rows_go_to_a_file_and_are_the_same_there() {
    let long = format!("\"{}\"", "x".repeat(100_000));
    let mut builder = Builder::default();
    let count = MEMORY_BYTES_MAX / 100_000 + 50;
    for i in 0..count {
        let text = format!("\"{i}\"");
        let content = if i % 2 == 0 { &long } else { &text };
        builder
            .push(&Row::of(Content::Text(content)), None, None, &mut some_file)
            .unwrap();
        builder
            .push(&Row::of(Content::Text(content)), None, None, &mut some_file)
            .unwrap();
    }
    builder.flush().unwrap();
    assert!(builder.pending.is_empty());
    let rows = builder.finish(Zero::Own);
    assert!(matches!(rows.bytes, Bytes::File(_)));
    assert_eq!(rows.len(), 2 * count);
    for i in [0, 1, count / 2, count - 1] {
        let text = format!("\"{i}\"");
        let expected = if i % 2 == 0 { &long } else { &text };
        for index in [2 * i, 2 * i + 1] {
            let bytes = rows.bytes(index as u64).unwrap();
            assert_eq!(bytes.row().content, Content::Text(expected));
        }
    }
}

#[test]
fn datasets_are_equal_if_their_rows_are() {
    let of = |texts: &[&str], output| {
        let mut builder = Builder::default();
        for text in texts {
            builder
                .push(&Row::of(Content::Text(text)), output, None, &mut no_file)
                .unwrap();
        }
        builder.finish(Zero::Own)
    };
    assert_eq!(of(&["\"a\"", "\"b\""], None), of(&["\"a\"", "\"b\""], None));
    assert_ne!(of(&["\"a\"", "\"b\""], None), of(&["\"b\"", "\"a\""], None));
    assert_ne!(of(&["\"a\""], None), of(&["\"a\""], Some(5)));
    assert_eq!(Dataset::unread().len(), 0);
}
