//! Which function a callable stands for, cheaply enough to ask for every job.

use super::object::Obj;
use crate::capi::intern;
use crate::imports::imports;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// A number for the function that `callable` stands for, and that function. All closures and bound
/// methods of one piece of code have the same number.
pub fn function_key<'py>(callable: &Bound<'py, PyAny>) -> (usize, Bound<'py, PyAny>) {
    let py = callable.py();
    let pointer = callable.as_ptr();
    // SAFETY: the object is alive; each accessor is called on the type that it is for.
    unsafe {
        if ffi::PyFunction_Check(pointer) != 0 {
            return (ffi::PyFunction_GetCode(pointer) as usize, callable.clone());
        }
        if ffi::PyCFunction_Check(pointer) != 0
            && let Some(function) = ffi::PyCFunction_GetFunction(pointer)
        {
            return (function as usize, callable.clone());
        }
    }
    let class = callable.get_type();
    // Asking for an attribute that is not there would make an exception for every job.
    let Ok(imports) = imports(py) else { return (class.as_ptr() as usize, class.into_any()) };
    if class.is(&*imports.method_class.bind(py))
        && let Ok(function) = callable.getattr(intern!(py, "__func__"))
    {
        return function_key(&function);
    }
    // asyncio.to_thread() gives a partial application of a context's `run`, with the function
    // behind it.
    if class.is(&*imports.partial_class.bind(py))
        && let Ok(function) = callable.getattr(intern!(py, "func"))
    {
        return match first_of_run(callable, &function) {
            Some(inner) => function_key(&inner),
            None => function_key(&function),
        };
    }
    // A class is called for its instances; the instances of one class have one `__call__`.
    let keeper =
        if callable.is_instance_of::<PyType>() { callable.clone() } else { class.into_any() };
    (keeper.as_ptr() as usize, keeper)
}

fn first_of_run<'py>(
    partial: &Bound<'py, PyAny>,
    function: &Bound<'py, PyAny>,
) -> Option<Bound<'py, PyAny>> {
    let py = partial.py();
    // SAFETY: the object is alive; only builtin functions have a `self`.
    let owner = unsafe {
        if ffi::PyCFunction_Check(function.as_ptr()) == 0 {
            return None;
        }
        Bound::from_borrowed_ptr_or_opt(py, ffi::PyCFunction_GetSelf(function.as_ptr()))?
    };
    // SAFETY: the object is alive.
    let runs_in_context = unsafe { ffi::PyContext_CheckExact(owner.as_ptr()) } != 0;
    let arguments = runs_in_context.then(|| partial.getattr(intern!(py, "args")))?.ok()?;
    arguments.get_item(0).ok()
}

/// The qualified name of a function that [`function_key`] has returned, with its module, and what
/// keeps its number its own.
pub fn function_name(function: &Bound<'_, PyAny>) -> (String, Option<Obj>) {
    let named = |name: &str| function.getattr_opt(name).ok()??.extract::<String>().ok();
    let name = named("__qualname__").unwrap_or_else(|| function.get_type().to_string());
    let name = match named("__module__") {
        Some(module) if module != "builtins" => format!("{module}.{name}"),
        _ => name,
    };
    // The function itself would keep its closure and, if it is bound, its object.
    let code = function.getattr_opt(intern!(function.py(), "__code__")).ok().flatten();
    (name, code.map(Obj::from))
}
