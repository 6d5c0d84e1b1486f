//! Ranges of values.

/// A range that includes both ends; `min <= max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<T> {
    pub min: T,
    pub max: T,
}
