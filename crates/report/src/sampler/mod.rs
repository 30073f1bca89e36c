//! Where the time of threads goes, seen from outside: a thread of its own looks at them a few
//! hundred times a second, through the kernel's view of this process, and never takes the GIL.
//!
//! What the kernel counts exactly (time on a processor, time in a processor's queue) is not
//! sampled. Samples only split the rest: what a thread that runs holds, and what one that sleeps
//! waits for. The period is jittered, since timers of the work would otherwise fire in step with
//! the samples.

mod account;
mod descriptors;
mod gil;
mod machine;
mod memory;
mod pace;
mod syscall;
mod tally;
mod thread;
mod watch;
mod watcher;

pub use account::{Account, Slept, account};
pub use gil::{GilPlace, GilState};
pub use machine::effective_cores;
pub use memory::{Memory, ResidentSet};
pub use syscall::{Call, Wait};
pub use tally::{Doing, KINDS, Tally};
pub use thread::{ProcessorTime, Thread, current_thread, threads};
pub use watch::{Latencies, Mode, Seen, Slot, Watch};
