//! The limits of flow control, as asyncio takes them.

use super::stream::HIGH_WATER;
use crate::capi::Call;
use pyo3::Borrowed;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::cell::Cell;

/// The limits of a transport, and whether its protocol is paused.
pub struct Flow {
    /// The size above which the protocol is paused, in bytes.
    pub high: Cell<usize>,
    /// The size at which it goes on, in bytes.
    pub low: Cell<usize>,
    /// Whether it was asked to pause.
    pub paused: Cell<bool>,
}

impl Default for Flow {
    fn default() -> Self {
        Flow {
            high: Cell::new(HIGH_WATER),
            low: Cell::new(HIGH_WATER / 4),
            paused: Cell::new(false),
        }
    }
}

/// Sets the limits to those that `call`, of the method `name`, asks for: `high`, by default so many
/// bytes, and `low`, by default a quarter of it.
///
/// # Errors
///
/// `ValueError` if they contradict one another, `TypeError` for what is no number.
pub fn set_limits(
    call: &Call<'_, '_>,
    name: &str,
    default_high: usize,
    limits: (&Cell<usize>, &Cell<usize>),
) -> PyResult<()> {
    let [high, low] = call.optional(name, ["high", "low"])?;
    let number = |value: Option<Borrowed<'_, '_, PyAny>>| -> PyResult<Option<i64>> {
        value.filter(|value| !value.is_none()).map(|value| value.extract()).transpose()
    };
    let (high, low) = match (number(high)?, number(low)?) {
        (None, None) => (i64::try_from(default_high)?, i64::try_from(default_high / 4)?),
        (None, Some(low)) => (low.saturating_mul(4), low),
        (Some(high), None) => (high, high / 4),
        (Some(high), Some(low)) => (high, low),
    };
    if !(high >= low && low >= 0) {
        let text = format!("high ({high}) must be >= low ({low}) must be >= 0");
        return Err(PyValueError::new_err(text));
    }
    limits.0.set(usize::try_from(high)?);
    limits.1.set(usize::try_from(low)?);
    Ok(())
}
