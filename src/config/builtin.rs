//! The profiles that travel inside the binary.

/// Name and text of every built-in profile.
pub const PROFILES: [(&str, &str); 2] = [
    ("quick-smoke", include_str!("../../profiles/quick-smoke.yaml")),
    (
        "high-concurrency",
        include_str!("../../profiles/high-concurrency.yaml"),
    ),
];

pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}

pub fn text(name: &str) -> Option<&'static str> {
    PROFILES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}
