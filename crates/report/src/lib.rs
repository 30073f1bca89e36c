//! What was measured, judged and shown: plain data in, a verdict, tables and pages out.
#![forbid(unsafe_code)]

#[cfg(test)]
mod arbitrary;
mod cells;
mod error;
#[cfg(test)]
mod fixture;
mod html;
mod label;
mod markdown;
mod model;
mod quantity;
mod rows;
#[cfg(target_os = "linux")]
pub mod sampler;
mod text;
mod verdict;

pub use error::Error;
pub use html::html;
pub use markdown::markdown;
pub use model::{
    Band, Confidence, Count, Fault, Form, Function, Interval, Latency, Machine, Python, Report,
    Sampler, Shares, Status, Switches, Verdict, Work,
};
pub use model::{parse, to_json};
pub use text::{Text, text};
pub use verdict::judge;
