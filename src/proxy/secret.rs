//! A secret that does not show itself in logs.

use std::fmt;
use std::sync::Arc;

/// A token or key. Neither `Debug` nor `Display` shows it; [`Secret::expose`] is the only way to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes the secret; surrounding white space (a pasted line break) is not part of it.
    pub fn new(secret: &str) -> Self {
        Self(secret.trim().into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}
