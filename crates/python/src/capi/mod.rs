//! Raw calls of the C API, behind safe doors: what PyO3 has no equally fast way for.
//!
//! The hot path of the loop makes one Python object per callback, calls one bound method per
//! message, and enters one context for it. Here stand the owned reference, the call, the context,
//! the bytes object that is received into, the view of a caller's buffer, and the machinery for
//! classes that derive from asyncio's own (`asyncio.Handle`, `asyncio.Transport`).
//!
//! Every function takes a `Python` token or an object bound to one, so it cannot be reached by a
//! thread that is not attached to the interpreter.
#![allow(unsafe_code, reason = "the C API; each block says why it is sound")]

mod attribute;
mod buffer;
mod bytes;
mod call;
mod call_key;
mod class;
mod context;
mod loan;
mod method;
mod object;
mod once;
mod thread;

pub use attribute::{Attribute, Getter, attribute, getter, instance_getter};
pub use buffer::{ReadView, WriteView};
pub use bytes::{BytesWriter, as_bytes};
pub use call::{Callback, call, call_method, call_with};
pub use call_key::{function_key, function_name};
pub use class::{BodyOf, ClassCell, Instance, Native, Step, add_class, stop_iteration};
pub use context::{copy_context, copy_of, run_in};
pub use loan::Loan;
pub use method::{Call, Method, MethodDef, add_methods, check_job, check_job_of_python, method};
pub use object::{Obj, Slot, Visit};
pub use once::Once;
pub(crate) use once::intern;
pub use thread::{thread_ident, thread_state};
