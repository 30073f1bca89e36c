//! What a unit costs in a form, from the measured processor time.

use super::case::Case;
use super::contender::Contender;

/// Processors must be this many for a second process to be worth anything: 1.1 for the work, as
/// much as another form must gain, and what hands it out.
const TWO_AT_A_TIME: f64 = 1.3;

/// Processor seconds per unit of a row, with all that its form adds.
pub(crate) fn cpu_per_unit(case: &Case<'_>, one: &Contender<'_>) -> Option<f64> {
    one.row.cpu_s.map(|cpu| cpu / case.items).filter(|cpu| cpu.is_finite() && *cpu > 0.0)
}

/// Processor seconds that it takes to hand one unit to another interpreter and to take its result
/// back: what a unit costs there more than where it was seen undisturbed.
pub(crate) fn handing_over(case: &Case<'_>, apart: &Contender<'_>) -> Option<f64> {
    let alone = case.nature?.row.cpu_s? / case.items;
    Some((cpu_per_unit(case, apart)? - alone).max(0.0))
}

/// Seconds of Python per unit from which units run faster apart than in one interpreter, which has
/// 1/x units per second for x seconds of Python each. Apart they reach what was measured there, or
/// P/(x + d) with P processors and d seconds to hand a unit over. `None` without a second
/// processor.
pub(crate) fn python_to_part(case: &Case<'_>, apart: &Contender<'_>) -> Option<f64> {
    let cores = case.cores();
    if cores < TWO_AT_A_TIME {
        return None;
    }
    let by_processors = handing_over(case, apart)? / (cores - 1.0);
    Some(by_processors.max(apart.median / case.items))
}
