//! What follows from the rows.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Count;

/// Which form to take, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// The form to take; `None` if no form ran to its end.
    pub form: Option<String>,
    /// The function to take.
    pub function: Option<String>,
    /// Units in flight.
    pub concurrency: Count,
    /// How sure that is.
    pub confidence: Confidence,
    /// The forms whose interval overlaps that of `form`, it among them; empty if it stands apart.
    pub tie: Vec<String>,
    /// The number of the rule that explains the choice; `None` if there is none to explain.
    pub rule: Option<u8>,
    /// The reasons, a sentence each.
    pub because: Vec<String>,
    /// The next best form.
    pub runner_up: Option<String>,
    /// What would change the verdict, a sentence each.
    pub flips: Vec<String>,
    /// What the form asks of its user, a sentence each.
    pub changes_for_you: Vec<String>,
    /// What the measurement could not know, a sentence each.
    pub limits: Vec<String>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The fastest stands apart from the others.
    High,
    /// A tie of forms that are within a tenth of one another, or a measurement that was cut short.
    Medium,
    /// The intervals are wider than the differences.
    Low,
    /// The machine was too busy to judge processor work, or no form ran to its end.
    #[default]
    Withheld,
}

impl Confidence {
    /// The word in the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
            Confidence::Withheld => "withheld",
        }
    }
}
