//! Whole numbers, as other programs write them.

use serde::{Deserialize, Deserializer, Serialize};

/// A whole number that may be missing. It is read from any number, because a writer that takes
/// the median of counts writes `12.0` or `12.5`; what is negative is not a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Count(pub Option<u64>);

impl Count {
    /// The number, or `otherwise` if it is missing.
    pub fn unwrap_or(self, otherwise: u64) -> u64 {
        self.0.unwrap_or(otherwise)
    }

    /// The number as a floating-point one.
    pub fn float(self) -> Option<f64> {
        self.0.map(|count| count as f64)
    }
}

impl From<u64> for Count {
    fn from(count: u64) -> Self {
        Count(Some(count))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Option::<serde_json::Number>::deserialize(deserializer)?;
        Ok(Count(number.and_then(|number| {
            number.as_u64().or_else(|| {
                let float = number.as_f64()?;
                (float >= 0.0).then_some(float.round() as u64)
            })
        })))
    }
}
