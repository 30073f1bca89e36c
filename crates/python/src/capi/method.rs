//! Methods that take their arguments as they lie on the interpreter's stack.

use super::call::Callback;
use super::class::{Instance, Native};
use super::object::Obj;
use crate::capi::intern;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::{Borrowed, PyClass, ffi};
use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a method is a method of.
pub trait Receiver: 'static {
    /// # Safety
    ///
    /// `object` is an instance of the class that this receiver stands for.
    unsafe fn from_object<'a>(object: *mut ffi::PyObject) -> &'a Self;
}

impl<T: PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync> Receiver for T {
    #[inline]
    unsafe fn from_object<'a>(object: *mut ffi::PyObject) -> &'a Self {
        // SAFETY: the caller vouches for the class; the token is used for the cast only.
        unsafe {
            let py = Python::assume_attached();
            Borrowed::from_ptr(py, object).cast_unchecked::<T>().get()
        }
    }
}

/// One method.
pub trait Method: 'static {
    /// What it is a method of.
    type This: Receiver;
    /// Its name in Python.
    const NAME: &'static CStr;
    /// Its docstring.
    const DOC: &'static CStr;

    /// The method itself.
    ///
    /// # Errors
    ///
    /// What Python shall see.
    fn call(this: &Self::This, call: &Call<'_, '_>) -> PyResult<Obj>;
}

/// One call of a method.
pub struct Call<'a, 'py> {
    py: Python<'py>,
    this: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
    lives: PhantomData<&'a ()>,
}

impl<'a, 'py> Call<'a, 'py> {
    /// The proof that the thread is attached.
    #[inline]
    pub fn py(&self) -> Python<'py> {
        self.py
    }

    /// The object whose method was called.
    #[inline]
    pub fn this(&self) -> Borrowed<'a, 'py, PyAny> {
        // SAFETY: alive during the call.
        unsafe { Borrowed::from_ptr(self.py, self.this) }
    }

    /// The object whose method was called, as the instance that it is.
    ///
    /// # Panics
    ///
    /// If the method belongs to another class.
    #[inline]
    pub fn instance<B: Native>(&self) -> Instance<B> {
        Instance::cast(&self.this()).expect("a method of this class")
    }

    /// The object whose method was called, as the PyO3 class that it is.
    ///
    /// # Panics
    ///
    /// If the method belongs to another class.
    #[inline]
    pub fn receiver<T: PyClass>(&self) -> Borrowed<'a, 'py, T> {
        self.this().cast::<T>().expect("a method of this class")
    }

    /// The keyword argument `name`, if it was given.
    ///
    /// # Errors
    ///
    /// What a comparison raises.
    pub fn keyword_named(
        &self,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Option<Borrowed<'a, 'py, PyAny>>> {
        for (given, value) in self.keywords() {
            if given.eq(name)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// How many positional arguments there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// The positional argument `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Borrowed<'a, 'py, PyAny>> {
        // SAFETY: checked against the count; alive during the call.
        (index < self.count)
            .then(|| unsafe { Borrowed::from_ptr(self.py, *self.arguments.add(index)) })
    }

    /// Whether there are keyword arguments.
    #[inline]
    pub fn has_keywords(&self) -> bool {
        !self.names.is_null()
    }

    /// The keyword arguments.
    pub fn keywords(
        &self,
    ) -> impl Iterator<Item = (Borrowed<'a, 'py, PyAny>, Borrowed<'a, 'py, PyAny>)> + use<'_, 'a, 'py>
    {
        let count = if self.names.is_null() {
            0
        } else {
            // SAFETY: the interpreter passes a tuple of names or null.
            unsafe { ffi::PyTuple_GET_SIZE(self.names).cast_unsigned() }
        };
        (0..count).map(|index| {
            // SAFETY: that many values lie behind the positional arguments.
            unsafe {
                let name = ffi::PyTuple_GET_ITEM(self.names, index.cast_signed());
                let value = *self.arguments.add(self.count + index);
                (Borrowed::from_ptr(self.py, name), Borrowed::from_ptr(self.py, value))
            }
        })
    }

    /// The keyword argument `name`, the only one that the method has.
    ///
    /// # Errors
    ///
    /// `TypeError` for any other.
    #[inline]
    pub fn keyword(
        &self,
        function: &str,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Option<Borrowed<'a, 'py, PyAny>>> {
        if self.names.is_null() {
            return Ok(None);
        }
        let mut found = None;
        for (given, value) in self.keywords() {
            if !given.is(name) && !given.eq(name)? {
                return Err(unexpected(function, &given));
            }
            found = Some(value);
        }
        Ok(found)
    }

    /// The positional arguments, exactly `N` of them, none by keyword.
    ///
    /// # Errors
    ///
    /// `TypeError` that names the method.
    #[inline]
    pub fn exactly<const N: usize>(
        &self,
        function: &str,
    ) -> PyResult<[Borrowed<'a, 'py, PyAny>; N]> {
        if let Some((name, _)) = self.keywords().next() {
            return Err(unexpected(function, &name));
        }
        if self.count != N {
            return Err(PyTypeError::new_err(format!(
                "{function}() takes exactly {N} arguments ({} given)",
                self.count
            )));
        }
        // SAFETY: that many were given.
        Ok(std::array::from_fn(|i| unsafe { Borrowed::from_ptr(self.py, *self.arguments.add(i)) }))
    }

    /// The arguments by position or by name, as far as they were given.
    ///
    /// # Errors
    ///
    /// `TypeError` for another name, or too many.
    pub fn optional<const N: usize>(
        &self,
        function: &str,
        names: [&str; N],
    ) -> PyResult<[Option<Borrowed<'a, 'py, PyAny>>; N]> {
        if self.count > N {
            return Err(PyTypeError::new_err(format!(
                "{function}() takes at most {N} arguments ({} given)",
                self.count
            )));
        }
        let mut found: [_; N] = std::array::from_fn(|index| self.get(index));
        for (name, value) in self.keywords() {
            let text = name.cast::<PyString>()?;
            match names.iter().position(|known| text.to_str().is_ok_and(|text| text == *known)) {
                Some(index) => found[index] = Some(value),
                None => return Err(unexpected(function, &name)),
            }
        }
        Ok(found)
    }

    /// The callback made of argument `first` and what follows it.
    ///
    /// # Errors
    ///
    /// `TypeError` if there is no such argument or it is not callable.
    #[inline]
    pub fn callback(&self, function: &str, first: usize) -> PyResult<Callback> {
        let Some(callable) = self.get(first) else {
            return Err(PyTypeError::new_err(format!(
                "{function}() missing required argument: 'callback'"
            )));
        };
        if !callable.is_callable() {
            return Err(PyTypeError::new_err(format!(
                "a callable object was expected by {function}(), got {}",
                callable.repr()?
            )));
        }
        // SAFETY: the arguments behind `first` are alive during the call.
        unsafe {
            let rest = self.arguments.add(first + 1);
            Callback::from_raw(self.py, callable.as_ptr(), rest, self.count - first - 1)
        }
    }
}

impl Call<'_, '_> {
    /// The job made of argument `first` and what follows it, for methods that pass keyword
    /// arguments on.
    ///
    /// # Errors
    ///
    /// `TypeError` if there is no such argument or it is not callable.
    #[inline]
    pub fn job(&self, function: &str, first: usize) -> PyResult<Callback> {
        let Some(callable) = self.get(first) else {
            return Err(PyTypeError::new_err(format!(
                "{function}() missing required argument: 'fn'; hint: the function comes first, by \
                 position"
            )));
        };
        check_job(&callable, function)?;
        // SAFETY: the arguments behind `first` are alive during the call.
        unsafe {
            let rest = self.arguments.add(first + 1);
            Callback::from_raw(self.py, callable.as_ptr(), rest, self.count - first - 1)
        }
    }

    /// The keyword arguments as a dictionary, if there are any.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    #[inline]
    pub fn keyword_dict(&self) -> PyResult<Option<Obj>> {
        if self.names.is_null() {
            return Ok(None);
        }
        let keywords = pyo3::types::PyDict::new(self.py);
        for (name, value) in self.keywords() {
            keywords.set_item(name, value)?;
        }
        Ok(Some(Obj::from(keywords)))
    }
}

/// Refuses what a thread cannot run.
///
/// # Errors
///
/// `TypeError` for what is not callable, and for a coroutine function: a thread would make the
/// coroutine and nobody would run it.
pub fn check_job(callable: &Bound<'_, PyAny>, function: &str) -> PyResult<()> {
    let is_coroutine = is_coroutine_function(callable);
    if callable.is_callable() && !is_coroutine {
        return Ok(());
    }
    // SAFETY: the object is alive.
    let is_coroutine = is_coroutine || unsafe { ffi::PyCoro_CheckExact(callable.as_ptr()) } != 0;
    let text = callable.repr()?;
    Err(PyTypeError::new_err(if is_coroutine {
        format!(
            "coroutines cannot be used with {function}(), got {text}; hint: await it in a loop, or \
             pass a plain callable"
        )
    } else {
        format!(
            "{function}() wants a callable, got {text}; hint: pass the function and its arguments \
             without calling it"
        )
    }))
}

/// Refuse what a thread cannot run, in the name of a function.
#[pyfunction]
#[pyo3(name = "check_job")]
pub fn check_job_of_python(callable: &Bound<'_, PyAny>, function: &str) -> PyResult<()> {
    check_job(callable, function)
}

thread_local! {
    /// The code of the plain function that was looked at last; most jobs of a program are of few
    /// functions. Another function may get the place of a dead one and be taken for it, which
    /// costs it the better error.
    static PLAIN: Cell<usize> = const { Cell::new(0) };
}

/// Whether `callable` is a function that was defined with `async def`.
fn is_coroutine_function(callable: &Bound<'_, PyAny>) -> bool {
    const COROUTINE: u32 = 0x80;
    let py = callable.py();
    let (code, function) = super::function_key(callable);
    if PLAIN.get() == code {
        return false;
    }
    let of_function = function.getattr_opt(intern!(py, "__code__")).ok().flatten();
    let flags = of_function.and_then(|code| code.getattr_opt(intern!(py, "co_flags")).ok()?);
    let flags = flags.and_then(|flags| flags.extract::<u32>().ok()).unwrap_or(0);
    if flags & COROUTINE != 0 {
        return true;
    }
    PLAIN.set(code);
    false
}

fn unexpected(function: &str, name: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("{function}() got an unexpected keyword argument '{name}'"))
}

/// A method, ready for a class.
pub struct MethodDef(pub(super) ffi::PyMethodDef);

// SAFETY: names and functions, all static.
unsafe impl Send for MethodDef {}
// SAFETY: as above.
unsafe impl Sync for MethodDef {}

/// The definition of `M`.
pub const fn method<M: Method>() -> MethodDef {
    MethodDef(ffi::PyMethodDef {
        ml_name: M::NAME.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: enter::<M> },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: M::DOC.as_ptr(),
    })
}

unsafe extern "C" fn enter<M: Method>(
    this: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter, with an instance of the class (its method descriptor
    // checks that) and arguments that live until the return.
    unsafe {
        let py = Python::assume_attached();
        let count = count.cast_unsigned();
        let call = Call { py, this, arguments, count, names, lives: PhantomData };
        guard(py, || M::call(M::This::from_object(this), &call))
    }
}

/// Turns the outcome of `body` into what the interpreter expects. A panic becomes an exception.
pub(super) fn guard(py: Python<'_>, body: impl FnOnce() -> PyResult<Obj>) -> *mut ffi::PyObject {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(object)) => object.into_ptr(),
        Ok(Err(error)) => {
            error.restore(py);
            std::ptr::null_mut()
        }
        Err(panic) => {
            panic_error(&*panic).restore(py);
            std::ptr::null_mut()
        }
    }
}

fn panic_error(panic: &(dyn std::any::Any + Send)) -> PyErr {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    PyRuntimeError::new_err(format!("internal error in nalsil: {text}"))
}

/// Adds methods to a class that PyO3 has made.
///
/// # Errors
///
/// `MemoryError`.
pub fn add_methods<T: PyClass>(py: Python<'_>, methods: Vec<MethodDef>) -> PyResult<()> {
    let class = py.get_type::<T>();
    // Definitions live as long as the process: the class refers to them.
    for MethodDef(definition) in methods.leak() {
        // SAFETY: the definition is static; the function copies nothing and changes nothing.
        unsafe {
            let definition = std::ptr::from_ref(definition).cast_mut();
            let descriptor = ffi::PyDescr_NewMethod(class.as_type_ptr(), definition);
            let descriptor = Bound::from_owned_ptr_or_err(py, descriptor)?;
            let name: *const c_char = (*definition).ml_name;
            class.setattr(CStr::from_ptr(name).to_string_lossy().as_ref(), descriptor)?;
        }
    }
    Ok(())
}
