//! The binding: the extension module `nalsil._nalsil`, and the only crate that knows Python.

mod capi;
mod errors;
mod event_loop;
mod gate;
mod imports;
mod transport;

use pyo3::prelude::*;

/// Native parts of nalsil. The public names stand in the package `nalsil`.
#[pymodule(gil_used = true)]
mod _nalsil {
    use super::*;

    #[pymodule_export]
    use event_loop::EventLoop;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        capi::add_methods::<EventLoop>(module.py(), event_loop::METHODS)?;
        capi::add_class::<event_loop::Handle>(module)?;
        capi::add_class::<event_loop::TimerHandle>(module)?;
        capi::add_class::<event_loop::SocketOperation>(module)?;
        capi::add_class::<transport::StreamTransport>(module)
    }
}
