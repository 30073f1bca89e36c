//! The binding: the extension module `nalsil._nalsil`, and the only crate that knows Python.

mod capi;
mod errors;
mod event_loop;
mod gate;
mod imports;
mod measure;
mod pool;
mod report;
mod transport;

use pyo3::prelude::*;

/// Native parts of nalsil. The public names stand in the package `nalsil`.
#[pymodule(gil_used = true)]
mod _nalsil {
    use super::*;

    #[pymodule_export]
    use event_loop::{EventLoop, Spawner};
    #[pymodule_export]
    use measure::{Meter, Unit, effective_cores};
    #[pymodule_export]
    use pool::{
        PoolView, ThreadPool, WorkerThread, check_cancelled, run_from_thread, run_sync_from_thread,
    };
    #[pymodule_export]
    use report::{judge, render};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add_function(wrap_pyfunction!(capi::check_job_of_python, module)?)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        capi::add_methods::<EventLoop>(module.py(), event_loop::methods())?;
        capi::add_methods::<ThreadPool>(module.py(), pool::methods())?;
        capi::add_class::<pool::Future>(module)?;
        pool::prepare(module.py());
        capi::add_class::<event_loop::Handle>(module)?;
        capi::add_class::<event_loop::TimerHandle>(module)?;
        if event_loop::HAS_THREAD_SAFE_HANDLES {
            capi::add_class::<event_loop::ThreadSafeHandle>(module)?;
        }
        capi::add_class::<event_loop::SocketOperation>(module)?;
        capi::add_class::<transport::StreamTransport>(module)?;
        capi::add_class::<transport::TlsTransport>(module)?;
        capi::add_class::<transport::DatagramTransport>(module)?;
        capi::add_class::<transport::ReadPipeTransport>(module)?;
        capi::add_class::<transport::WritePipeTransport>(module)
    }
}
