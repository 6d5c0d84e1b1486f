//! The built-in profiles, whose documents are part of the binary.

/// The name and document of every built-in profile.
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

/// The models that the built-in profiles ask for. They are names for the simulator, which accepts any.
const MODELS: [&str; 7] = [
    "gpt-5",
    "gpt-5-mini",
    "gpt-4o",
    "gpt-4o-mini",
    "claude-opus-4",
    "claude-sonnet-4",
    "o3-mini",
];
/// The model that requests ask for in a document that names none.
pub const MODEL_DEFAULT: &str = "default";

/// Tells whether these are names that nobody has chosen: those of the built-in profiles, which copies of one and
/// profiles from k6's options have as well, or that of a document without models.
pub fn stand_in_models(models: &[String]) -> bool {
    models == MODELS || models == [MODEL_DEFAULT]
}

/// Returns the names of the profiles, in the order of the list.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}

/// Returns the document of a profile; `None` if there is no profile of that name.
pub fn text(name: &str) -> Option<&'static str> {
    PROFILES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

#[cfg(test)]
#[path = "profiles_tests.rs"]
mod tests;
