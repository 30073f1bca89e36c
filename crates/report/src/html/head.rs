//! What was compared, where, and how it was measured.

use super::markup::Markup;
use super::number::{Unit, number};
use crate::model::Report;

/// The title of the page.
pub(super) fn title(page: &mut Markup, report: &Report) {
    page.text(&report.work.target).fixed(" · nalsil compare");
}

/// The work and the facts of its run.
pub(super) fn head(page: &mut Markup, report: &Report) {
    let work = &report.work;
    page.element("p", &[("class", "target"), ("data-path", "work.target")], &work.target);
    page.fixed("<ul class=\"facts\">");
    fact(page, |page| {
        number(page, "work.items", work.items.float(), Unit::Count);
        page.fixed(" items");
        if let Some(source) = work.items_source.as_deref().filter(|source| *source != "range") {
            page.fixed(" of ").element("code", &[("data-path", "work.items_source")], source);
        }
    });
    fact(page, |page| {
        number(page, "work.rounds", work.rounds.float(), Unit::Count);
        page.fixed(" rounds, interleaved");
    });
    fact(page, |page| python(page, report));
    fact(page, |page| processors(page, report));
    if let Some(system) = &report.machine.system {
        fact(page, |page| {
            page.element("span", &[("data-path", "machine.system")], system);
        });
    }
    if work.interrupted == Some(true) {
        page.fixed("<li class=\"alert\">stopped early</li>");
    }
    page.close("ul");
}

fn fact(page: &mut Markup, write: impl Fn(&mut Markup)) {
    page.fixed("<li>");
    write(page);
    page.fixed("</li>");
}

fn python(page: &mut Markup, report: &Report) {
    let python = &report.python;
    page.text(python.implementation.as_deref().unwrap_or("Python")).fixed(" ");
    page.element("span", &[("data-path", "python.version")], &python.version);
    if python.free_threaded == Some(true) {
        page.fixed(", free-threaded");
    }
}

fn processors(page: &mut Markup, report: &Report) {
    let machine = &report.machine;
    number(page, "machine.cpus", machine.cpus.float(), Unit::Count);
    page.fixed(if machine.cpus.0 == Some(1) { " processor" } else { " processors" });
    if machine.effective_cores.is_some() {
        page.fixed(", ");
        number(page, "machine.effective_cores", machine.effective_cores, Unit::Mean);
        page.fixed(" effective");
    }
}

/// How the numbers came about and what they cost.
pub(super) fn method(page: &mut Markup, report: &Report) {
    page.fixed("<p>Each form ran in a process of its own");
    if report.work.took_s.is_some() {
        page.fixed("; the comparison took ");
        number(page, "work.took_s", report.work.took_s, Unit::Seconds);
    }
    if report.work.budget_s.is_some() {
        page.fixed(" of ");
        number(page, "work.budget_s", report.work.budget_s, Unit::Seconds);
    }
    page.fixed(". Times are medians over the rounds, with their intervals. ");
    if let Some(sampler) = &report.sampler {
        page.fixed("Waits were sampled ");
        number(page, "sampler.rate_hz", sampler.rate_hz, Unit::Mean);
        page.fixed(" times a second, which cost ");
        number(page, "sampler.cost_share", sampler.cost_share, Unit::Share);
        page.fixed(" of the work’s time. ");
        if !sampler.unknown.is_empty() {
            page.fixed("Not told by this system: ").text(sampler.unknown.join(", ")).fixed(". ");
        }
    }
    page.fixed("</p>");
}
