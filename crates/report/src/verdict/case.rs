//! All that the parts of a verdict look at.

use super::choice::{self, Choice, Cost};
use super::contender::{self, Contender};
use super::machine::Busy;
use super::nature::Nature;
use crate::label::{self, Kind};
use crate::{Form, Report};

/// A judged comparison before it is put into words.
#[derive(Clone, Debug)]
pub(crate) struct Case<'a> {
    /// The report.
    pub(crate) report: &'a Report,
    /// Each form at its best concurrency, the fastest first.
    pub(crate) contenders: Vec<Contender<'a>>,
    /// The form to take.
    pub(crate) winner: Contender<'a>,
    /// The form of the shortest row.
    pub(crate) fastest: Contender<'a>,
    /// The best of the others; one of the package's own, if there is any.
    pub(crate) runner_up: Option<Contender<'a>>,
    /// What decided a tie between equally simple forms.
    pub(crate) by: Option<Cost>,
    /// What a unit does; `None` if no row tells.
    pub(crate) nature: Option<Nature<'a>>,
    /// What speaks against trusting this machine.
    pub(crate) machine: Busy,
    /// Units of work; at least one.
    pub(crate) items: f64,
    tied: Vec<Contender<'a>>,
}

impl<'a> Case<'a> {
    /// Chooses the winner and gathers what explains it; `None` if no form can win.
    pub(crate) fn of(report: &'a Report) -> Option<Self> {
        let mut contenders = contender::contenders(&report.forms);
        contenders.sort_by(|a, b| a.median.total_cmp(&b.median));
        let items = report.work.items.unwrap_or(1).max(1);
        let nature = Nature::find(&report.forms, items);
        let machine = Busy::of(report, nature.as_ref());
        let (barred, free) = barred(report, nature.as_ref(), &machine);
        let mut choice = choice::choose(&contenders, &free)?;
        let machine = machine.and_barred(report, &choice.winner, &barred);
        if machine.impossible.is_some() {
            // The verdict is withheld, and names what the table shows to be the best.
            choice = choice::choose(&contenders, &contender::eligible(&report.forms))?;
        }
        let Choice { winner, fastest, tied, by } = choice;
        let others = || contenders.iter().filter(|one| one.index != winner.index);
        let is_stock = |one: &&Contender<'_>| {
            matches!(Kind::of(&one.row.form), Kind::StockLoop | Kind::StockThreads)
        };
        let runner_up = others().find(|one| !is_stock(one)).or_else(|| others().next()).copied();
        let machine = machine.and_rows(report, &winner, runner_up.as_ref());
        let items = items as f64;
        Some(Case {
            report,
            contenders,
            winner,
            fastest,
            runner_up,
            by,
            nature,
            machine,
            items,
            tied,
        })
    }

    /// The winner's kind.
    pub(crate) fn kind(&self) -> Kind {
        Kind::of(&self.winner.row.form)
    }

    /// The forms that overlap the winner, it among them; empty if it stands apart.
    pub(crate) fn tie(&self) -> &[Contender<'a>] {
        if self.tied.len() > 1 { &self.tied } else { &[] }
    }

    /// The best row of a kind, the fastest if the user gave several functions.
    pub(crate) fn best(&self, is: impl Fn(Kind) -> bool) -> Option<&Contender<'a>> {
        self.contenders.iter().find(|one| is(Kind::of(&one.row.form)))
    }

    /// The row in a sentence.
    pub(crate) fn at(&self, row: &Form) -> String {
        label::at(row, &self.report.forms)
    }

    /// How many times as long `other` takes as the winner.
    pub(crate) fn slower(&self, other: &Contender<'_>) -> f64 {
        other.median / self.winner.median
    }

    /// How many times as fast as plain code the winner is, if plain code was measured and is not
    /// the winner.
    pub(crate) fn gain(&self) -> Option<f64> {
        let plain = self.best(|kind| kind == Kind::Plain)?;
        (plain.index != self.winner.index).then(|| self.slower(plain))
    }

    /// Items per second of a row.
    pub(crate) fn throughput(&self, one: &Contender<'_>) -> f64 {
        self.items / one.median
    }

    /// Processors' worth of time that could be had: measured, or as many as there are.
    pub(crate) fn cores(&self) -> f64 {
        let machine = &self.report.machine;
        machine
            .effective_cores
            .or_else(|| machine.cpus.float())
            .filter(|cores| *cores > 0.0)
            .unwrap_or(1.0)
    }
}

/// The rows that must not win on this machine, and those that may; all may if none else is there.
fn barred<'a>(
    report: &'a Report,
    nature: Option<&Nature<'a>>,
    machine: &Busy,
) -> (Vec<Contender<'a>>, Vec<Contender<'a>>) {
    let all = contender::eligible(&report.forms);
    let without_gil = report.python.free_threaded == Some(true);
    let Some(seen) = nature.filter(|_| !without_gil) else { return (Vec::new(), all) };
    let (barred, free): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| machine.bars(seen, one));
    if free.is_empty() { (Vec::new(), barred) } else { (barred, free) }
}
