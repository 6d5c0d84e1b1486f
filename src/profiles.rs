//! The profiles that travel inside the binary.

/// Name and text of every built-in profile.
pub const PROFILES: [(&str, &str); 11] = [
    ("quick-smoke", include_str!("../profiles/quick-smoke.yaml")),
    ("smoke", include_str!("../profiles/smoke.yaml")),
    ("load", include_str!("../profiles/load.yaml")),
    ("stress", include_str!("../profiles/stress.yaml")),
    ("spike", include_str!("../profiles/spike.yaml")),
    ("soak", include_str!("../profiles/soak.yaml")),
    (
        "high-concurrency",
        include_str!("../profiles/high-concurrency.yaml"),
    ),
    ("endpoints", include_str!("../profiles/endpoints.yaml")),
    ("throughput", include_str!("../profiles/throughput.yaml")),
    ("workload", include_str!("../profiles/workload.yaml")),
    ("mixed_warfare", include_str!("../profiles/mixed_warfare.yaml")),
];

/// What the built-in profiles ask for: names for the simulator, which takes any.
const MODELS: [&str; 7] = [
    "gpt-5",
    "gpt-5-mini",
    "gpt-4o",
    "gpt-4o-mini",
    "claude-opus-4",
    "claude-sonnet-4",
    "o3-mini",
];
/// What requests ask for in a document that names no model.
pub const MODEL_DEFAULT: &str = "default";

/// Whether these are names that nobody has chosen: those of the built-in profiles, which a copy of one and a profile
/// out of k6's options have too, or that of a document without any.
pub fn stand_in_models(models: &[String]) -> bool {
    models == MODELS || models == [MODEL_DEFAULT]
}

pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}

pub fn text(name: &str) -> Option<&'static str> {
    PROFILES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

#[cfg(test)]
#[path = "profiles_tests.rs"]
mod tests;
