//! A range of values, both ends included.

/// Inclusive range; `min <= max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<T> {
    pub min: T,
    pub max: T,
}
