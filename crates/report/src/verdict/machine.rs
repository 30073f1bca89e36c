//! Rule 0: a machine that others use as well gives no verdict on processor work.

use super::case::Case;
use super::choice::WORTH;
use super::contender::Contender;
use super::nature::Nature;
use crate::Report;
use crate::label::{self, Kind};
use crate::quantity::{digits, factor, percent};

/// Processors' worth of time that must be had, as a share of the processors.
const FREE: f64 = 0.8;
/// What a lone thread may wait for a processor.
const QUEUED: f64 = 0.10;
/// How far rounds may stray.
pub(crate) const SPREAD: f64 = 0.15;
/// Processors in use at once from which a form rests on parallel processors.
const PARALLEL: f64 = 1.2;

/// What speaks against trusting a measurement of processor work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy {
    /// Processors' worth of time that could be had, and processors, if these are too few.
    pub(crate) cores: Option<(f64, u64)>,
    /// The share of its time that a lone thread waited for a processor, if that is too long.
    pub(crate) queued: Option<f64>,
    /// The row that strays too far, and how far.
    pub(crate) strays: Option<(String, f64)>,
    /// A row that gained over all that may what the GIL does not allow, and how much.
    pub(crate) impossible: Option<(String, f64)>,
}

impl Busy {
    /// Looks at the machine and at the row with the least threads.
    pub(crate) fn of(report: &Report, nature: Option<&Nature<'_>>) -> Self {
        let cpus = report.machine.cpus.unwrap_or(1);
        let cores = report.machine.effective_cores;
        let lone = nature.filter(|seen| {
            // With more threads than processors, a queue is the work's own.
            seen.of_loop || seen.row.concurrency.unwrap_or(1) < cpus.max(2)
        });
        Busy {
            cores: cores.filter(|cores| *cores < FREE * cpus as f64).map(|cores| (cores, cpus)),
            queued: lone.map(Nature::run_queue).filter(|share| *share > QUEUED),
            ..Busy::default()
        }
    }

    /// Looks at the best that may win, and at what could not be let win.
    pub(crate) fn and_barred(
        self,
        report: &Report,
        best: &Contender<'_>,
        barred: &[Contender<'_>],
    ) -> Self {
        let impossible = barred.iter().find(|one| one.high < best.low);
        let told =
            |one: &Contender<'_>| (label::at(one.row, &report.forms), best.median / one.median);
        Busy { impossible: impossible.map(told), ..self }
    }

    /// Looks at the winner and at the next one.
    pub(crate) fn and_rows(
        self,
        report: &Report,
        winner: &Contender<'_>,
        runner_up: Option<&Contender<'_>>,
    ) -> Self {
        let widest = [Some(winner), runner_up]
            .into_iter()
            .flatten()
            .max_by(|a, b| a.spread().total_cmp(&b.spread()))
            .filter(|one| one.spread() > SPREAD);
        let strays = widest.map(|one| (label::at(one.row, &report.forms), one.spread()));
        Busy { strays, ..self }
    }

    /// Whether a row owes its time to who else used the machine: threads cannot run Python side by
    /// side, but on a busy machine many of them may be given more time than one.
    pub(crate) fn bars(&self, seen: &Nature<'_>, one: &Contender<'_>) -> bool {
        self.is_busy() && Kind::of(&one.row.form).is_threads() && seen.is_serial()
    }

    /// Whether anything speaks against it.
    pub(crate) fn is_busy(&self) -> bool {
        self.cores.is_some() || self.queued.is_some() || self.strays.is_some()
    }

    /// Whether the verdict is withheld: it rests on processors that could not be had.
    pub(crate) fn withholds(&self, case: &Case<'_>) -> bool {
        let rests = rests_on_processors(case) && !self.is_beyond_reach(case);
        self.impossible.is_some() || (self.is_busy() && rests)
    }

    /// Whether plain code would stay the choice with all processors free: no other form would gain
    /// enough if it were faster by what was missing.
    fn is_beyond_reach(&self, case: &Case<'_>) -> bool {
        let had = self.cores.map_or(1.0, |(cores, cpus)| cores / cpus as f64);
        let had = had.min(1.0 - self.queued.unwrap_or(0.0));
        let others = case.contenders.iter().filter(|one| one.index != case.winner.index);
        case.kind() == Kind::Plain
            && others.map(|one| one.low * had).all(|free| WORTH * free > case.winner.high)
    }

    /// What was seen, each a part of a sentence.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some((cores, cpus)) = self.cores {
            reasons.push(format!("only {} of {cpus} processors could be had", digits(cores)));
        }
        if let Some(queued) = self.queued {
            reasons.push(format!("a lone thread waited {} of its time for one", percent(queued)));
        }
        if let Some((row, spread)) = &self.strays {
            reasons.push(format!("the rounds of {row} stray by ±{}", percent(*spread)));
        }
        if let Some((row, gain)) = &self.impossible {
            reasons.push(format!("{row} gained {}, which the GIL does not allow", factor(*gain)));
        }
        reasons
    }

    /// Why the verdict is withheld.
    pub(crate) fn sentence(&self, case: &Case<'_>) -> String {
        format!(
            "the machine was busy: {} (rule 0); {} came out best, which is no verdict",
            self.reasons().join(", "),
            case.at(case.winner.row)
        )
    }
}

/// Whether the order of the forms depends on how many processors were free.
fn rests_on_processors(case: &Case<'_>) -> bool {
    let Some(nature) = &case.nature else { return case.kind().is_apart() };
    // Where the GIL is held asleep, processes win by isolation, with idle processors.
    let by_parallel_processors = case.kind().is_apart() && nature.held < nature.cpu;
    let in_use = case.winner.row.cpu_s.map_or(0.0, |cpu| cpu / case.winner.median);
    nature.is_cpu_bound()
        || by_parallel_processors
        || (in_use > PARALLEL && case.kind() != Kind::Executor)
}
