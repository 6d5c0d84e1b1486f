use super::*;

#[test]
fn a_made_prompt_is_its_prefix_and_words() {
    for (prefix, expected) in [
        ("", ""),
        ("Say \"x\": ", "Say \"x\": "),
        ("Sum up", "Sum up "),
        ("one\n", "one\n"),
    ] {
        let text = Spelled::Made {
            prefix,
            key: 99,
            tokens: 20,
            counted: Counted::No,
        };
        let mut out = Vec::new();
        text.write_json(&mut out);
        let mut words = Vec::new();
        push_words(&mut words, 99, 20);
        let wanted = expected.to_string() + std::str::from_utf8(&words).unwrap();
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), wanted);
    }
}
