//! The nine kinds of time, their names and their order on the page.

use crate::model::Shares;

/// A kind of time.
pub(super) struct Kind {
    /// Its key in the JSON, and its class on the page.
    pub(super) key: &'static str,
    /// What a legend calls it, below its group's name.
    pub(super) short: &'static str,
    /// What it is called alone.
    pub(super) long: &'static str,
    /// Its fill: a colour, or a pattern of the page.
    pub(super) fill: &'static str,
    pub(super) share: fn(&Shares) -> Option<f64>,
}

/// The kinds in three groups: what the work does, what it waits for, what holds it up.
pub(super) const GROUPS: [(&str, &[Kind]); 3] =
    [("On a processor", &ON_CPU), ("Waiting for", &WAITS), ("Held up by", &HELD_UP)];

const ON_CPU: [Kind; 2] = [
    Kind {
        key: "cpu_python",
        short: "Python",
        long: "Python code (GIL held)",
        fill: "var(--cpu_python)",
        share: |shares| shares.cpu_python,
    },
    Kind {
        key: "cpu_native",
        short: "native code",
        long: "native code (GIL released)",
        fill: "url(#fill-cpu_native)",
        share: |shares| shares.cpu_native,
    },
];

const WAITS: [Kind; 4] = [
    Kind {
        key: "wait_network",
        short: "network",
        long: "waiting for the network",
        fill: "var(--wait_network)",
        share: |shares| shares.wait_network,
    },
    Kind {
        key: "wait_disk",
        short: "disk",
        long: "waiting for a disk",
        fill: "url(#fill-wait_disk)",
        share: |shares| shares.wait_disk,
    },
    Kind {
        key: "wait_sleep",
        short: "sleep",
        long: "asleep",
        fill: "var(--wait_sleep)",
        share: |shares| shares.wait_sleep,
    },
    Kind {
        key: "wait_child",
        short: "child process",
        long: "waiting for a child process",
        fill: "url(#fill-wait_child)",
        share: |shares| shares.wait_child,
    },
];

const HELD_UP: [Kind; 3] = [
    Kind {
        key: "wait_lock",
        short: "lock",
        long: "waiting for a lock",
        fill: "url(#fill-wait_lock)",
        share: |shares| shares.wait_lock,
    },
    Kind {
        key: "wait_gil",
        short: "GIL",
        long: "waiting for the GIL",
        fill: "url(#fill-wait_gil)",
        share: |shares| shares.wait_gil,
    },
    Kind {
        key: "run_queue",
        short: "run queue",
        long: "ready, without a processor",
        fill: "url(#fill-run_queue)",
        share: |shares| shares.run_queue,
    },
];

/// All kinds in the order of the groups.
pub(super) fn kinds() -> impl Iterator<Item = &'static Kind> {
    GROUPS.iter().flat_map(|(_, kinds)| kinds.iter())
}
