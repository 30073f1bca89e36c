//! Why a text is no report.

use std::fmt;

/// Why a report could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The text is not JSON, or a field has another type than the report's.
    Malformed(serde_json::Error),
    /// The report is of a version that this package does not know.
    Schema(u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Malformed(why) => {
                write!(f, "cannot read the report: {why}; hint: give a file written with `--json`")
            }
            Error::Schema(found) => write!(
                f,
                "cannot read a report of `schema` {found}: this version reads {}; hint: read it \
                 with the version that wrote it",
                crate::model::SCHEMA
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Malformed(why) => Some(why),
            Error::Schema(_) => None,
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(why: serde_json::Error) -> Self {
        Error::Malformed(why)
    }
}
