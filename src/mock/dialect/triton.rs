//! Writes the answers of Triton's generate extension, which has no end and no counts.

use super::{Dialect, event, text};

pub(super) const DIALECT: Dialect = Dialect {
    token: |_, extra| event(&answer("tok ", extra)),
    finish: |_| event(&answer("", "")),
    body: |counted, finished| match finished {
        true => answer(&text(counted.output), ""),
        false => "{\"model_name\":\"mock\",\"model_version\":\"1\"}".to_owned(),
    },
    ..Dialect::PLAIN
};

fn answer(text: &str, extra: &str) -> String {
    format!(
        "{{\"model_name\":\"mock\",\"model_version\":\"1\",\"sequence_end\":false,\"sequence_id\":0,\
         \"sequence_start\":false,\"text_output\":\"{text}\"{extra}}}"
    )
}
