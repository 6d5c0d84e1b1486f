//! What becomes of a connection after its request.

use serde::Serialize;

/// Tells for how long a user keeps a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionUse {
    /// A user's requests share one connection to each server, as long as the server keeps it open.
    #[default]
    KeepAlive,
    /// Each request opens a connection of its own, says `Connection: close`, and closes it.
    PerRequest,
}

impl ConnectionUse {
    /// The names in documents and options.
    pub const NAMES: [&str; 2] = ["keep-alive", "per-request"];

    /// Returns the use with this name, which is one of `NAMES`.
    pub fn named(name: &str) -> ConnectionUse {
        match name {
            "per-request" => ConnectionUse::PerRequest,
            _ => ConnectionUse::KeepAlive,
        }
    }

    pub fn is_per_request(self) -> bool {
        self == ConnectionUse::PerRequest
    }

    /// Tells whether it is the default, which a serialised configuration leaves out.
    pub fn is_keep_alive(&self) -> bool {
        *self == ConnectionUse::KeepAlive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_the_one_that_is_serialised() {
        for name in ConnectionUse::NAMES {
            let json = serde_json::to_string(&ConnectionUse::named(name)).unwrap();
            assert_eq!(json, format!("\"{name}\""));
        }
    }
}
