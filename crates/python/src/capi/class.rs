//! Classes in Rust that derive from classes in Python.
//!
//! `asyncio.Handle` and `asyncio.Transport` are Python classes; programs ask with `isinstance`
//! whether they hold one. A class here has such a base and keeps its own body, a Rust structure,
//! behind the base's fields.

use super::attribute::Getter;
use super::method::{MethodDef, Receiver, guard};
use super::object::{Obj, Visit};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use pyo3::{Borrowed, ffi};
use std::cell::{Cell, RefCell, UnsafeCell};
use std::ffi::{CStr, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The body of a class.
pub trait Native: Sized + 'static {
    /// The full name, with the module.
    const NAME: &'static CStr;
    /// The docstring.
    const DOC: &'static CStr;

    /// Where the class is kept.
    fn cell() -> &'static ClassCell;

    /// The class in Python that this derives from.
    ///
    /// # Errors
    ///
    /// When it cannot be imported.
    fn base(py: Python<'_>) -> PyResult<Bound<'_, PyType>>;

    /// The methods.
    fn methods() -> Vec<MethodDef>;

    /// The attributes.
    fn getters() -> Vec<Getter>;

    /// Shows the garbage collector every object that the body holds.
    fn traverse(&self, visit: &mut Visit<'_>);

    /// Drops what may be part of a cycle.
    fn clear(&self);

    /// Whether the garbage collector knows an instance from the start. If not, its owner must call
    /// [`Instance::release`] in place of dropping it, and visit it by [`Instance::traverse_owned`].
    const TRACKED: bool = true;

    /// How many dead instances are kept to be used again, for classes whose instances come and go
    /// with every callback.
    const RECYCLED: usize = 0;

    /// Whether [`Native::finalize`] does anything.
    const HAS_FINALIZER: bool = false;

    /// Runs once before the object goes, while it is still whole.
    ///
    /// # Errors
    ///
    /// What is then shown as unraisable.
    fn finalize(&self, _this: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
        Ok(())
    }

    /// The next value, for classes that are awaitable iterators.
    ///
    /// # Errors
    ///
    /// What is raised to whoever awaits.
    fn next(_this: &Instance<Self>, _py: Python<'_>) -> PyResult<Step> {
        Ok(Step::Return(None))
    }

    /// Whether the class is an awaitable iterator.
    const AWAITABLE: bool = false;

    /// How an instance looks, for classes whose base does not know.
    ///
    /// # Errors
    ///
    /// What Python shall see.
    fn repr(&self, _this: Borrowed<'_, '_, PyAny>) -> PyResult<String> {
        Ok(Self::NAME.to_string_lossy().into_owned())
    }

    /// Whether [`Native::repr`] is used instead of the base's.
    const HAS_REPR: bool = false;

    /// Where in the body the dictionary of an instance is kept, a [`super::Slot`] that the body shows
    /// and clears like any other, for classes whose instances take further attributes.
    const DICTIONARY: Option<usize> = None;

    /// A body for an instance that Python makes, for classes that may be called and derived from.
    const CONSTRUCT: Option<fn() -> Self> = None;
}

/// What an awaitable iterator does when it is driven.
pub enum Step {
    /// Gives this to the task.
    Yield(Obj),
    /// Ends with this, or `None`.
    Return(Option<Obj>),
}

/// Where a class is kept: its type object and where the body lies in an instance.
pub struct ClassCell {
    class: AtomicPtr<ffi::PyTypeObject>,
    /// The class, found to derive from this one, of which an instance was made last. It lives as
    /// long as the process, like all that make instances in Rust.
    derived: AtomicPtr<ffi::PyTypeObject>,
    offset: AtomicUsize,
    tables: OnceLock<Tables>,
    recycled: Recycled,
}

/// Dead instances. Where there is a GIL, it is what makes them belong to one thread at a time;
/// where there is none, nothing is kept.
struct Recycled(UnsafeCell<Vec<*mut ffi::PyObject>>);

// SAFETY: reached only by `give` and `take`, whose callers hold the GIL.
unsafe impl Sync for Recycled {}
// SAFETY: as above.
unsafe impl Send for Recycled {}

#[cfg(not(Py_GIL_DISABLED))]
impl Recycled {
    /// # Safety
    ///
    /// The caller holds the GIL.
    #[inline]
    unsafe fn take(&self) -> Option<*mut ffi::PyObject> {
        // SAFETY: the GIL makes this the only borrow, and nothing is called during it.
        unsafe { (*self.0.get()).pop() }
    }

    /// Keeps `object` unless there are `most` already.
    ///
    /// # Safety
    ///
    /// The caller holds the GIL.
    #[inline]
    unsafe fn give(&self, object: *mut ffi::PyObject, most: usize) -> bool {
        // SAFETY: as above.
        let kept = unsafe { &mut *self.0.get() };
        let keep = kept.len() < most;
        if keep {
            kept.push(object);
        }
        keep
    }
}

#[cfg(Py_GIL_DISABLED)]
impl Recycled {
    unsafe fn take(&self) -> Option<*mut ffi::PyObject> {
        None
    }

    unsafe fn give(&self, _object: *mut ffi::PyObject, _most: usize) -> bool {
        false
    }
}

struct Tables {
    methods: Box<[MethodDef]>,
    getters: Box<[Getter]>,
}

impl ClassCell {
    /// A place for a class that is not made yet.
    pub const fn new() -> Self {
        ClassCell {
            class: AtomicPtr::new(std::ptr::null_mut()),
            derived: AtomicPtr::new(std::ptr::null_mut()),
            offset: AtomicUsize::new(0),
            tables: OnceLock::new(),
            recycled: Recycled(UnsafeCell::new(Vec::new())),
        }
    }
}

impl Default for ClassCell {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Native> Receiver for BodyOf<B> {
    unsafe fn from_object<'a>(object: *mut ffi::PyObject) -> &'a Self {
        // SAFETY: `BodyOf` is transparent over `B`.
        unsafe { &*std::ptr::from_ref(B::from_object(object)).cast() }
    }
}

/// The body of a native class as the receiver of a method.
#[repr(transparent)]
pub struct BodyOf<B>(B);

impl<B> Deref for BodyOf<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.0
    }
}

pub(super) trait Located: Native {
    unsafe fn from_object<'a>(object: *mut ffi::PyObject) -> &'a Self {
        // SAFETY: the caller vouches for the class; the body was written when the instance was
        // made, and lies at the class's offset.
        unsafe { &*object.byte_add(Self::cell().offset.load(Ordering::Relaxed)).cast() }
    }
}

impl<B: Native> Located for B {}

/// A reference to an instance of a native class.
pub struct Instance<B: Native>(Obj, PhantomData<fn() -> B>);

impl<B: Native> Deref for Instance<B> {
    type Target = B;

    #[inline]
    fn deref(&self) -> &B {
        // SAFETY: an `Instance` is only made of instances of the class.
        unsafe { B::from_object(self.0.as_ptr()) }
    }
}

impl<B: Native> Instance<B> {
    /// A new instance with `body`.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    #[inline]
    pub fn new(py: Python<'_>, body: B) -> PyResult<Self> {
        let cell = B::cell();
        let class = cell.class.load(Ordering::Relaxed);
        assert!(!class.is_null(), "the class is made when the module is imported");
        let offset = cell.offset.load(Ordering::Relaxed);
        // SAFETY: the class is ready, and its instances have room for the body.
        unsafe {
            let object = if B::RECYCLED > 0
                && let Some(object) = cell.recycled.take()
            {
                ffi::PyObject_Init(object, class)
            } else {
                Self::allocate(py, class, offset)?
            };
            object.byte_add(offset).cast::<B>().write(body);
            if B::TRACKED {
                ffi::PyObject_GC_Track(object.cast());
            }
            Ok(Instance(Obj::from_owned(object), PhantomData))
        }
    }

    /// A new instance with `body`, of a class in Python that derives from this one.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    #[inline]
    pub fn new_of(class: &Bound<'_, PyType>, body: B) -> PyResult<Self> {
        let cell = B::cell();
        let base = cell.class.load(Ordering::Relaxed);
        let class = class.as_type_ptr();
        if cell.derived.load(Ordering::Relaxed) != class {
            // SAFETY: both classes are alive.
            let derives = class == base || unsafe { ffi::PyType_IsSubtype(class, base) } != 0;
            assert!(derives, "a class that derives from this one");
            cell.derived.store(class, Ordering::Relaxed);
        }
        // SAFETY: such a class has room for the body at our offset. `allocate_of` says the rest.
        unsafe { Self::allocate_of(class, body) }.map(|object| {
            // SAFETY: a new reference to an instance.
            Instance(unsafe { Obj::from_owned(object) }, PhantomData)
        })
    }

    /// # Safety
    ///
    /// `class` is ours or derives from ours, and the thread is attached.
    unsafe fn allocate_of(class: *mut ffi::PyTypeObject, body: B) -> PyResult<*mut ffi::PyObject> {
        // SAFETY: every class has `tp_alloc`; its memory is cleared, so that the collector, which
        // may look at once, finds a body without objects only after the write below. Nothing runs
        // in between.
        unsafe {
            let allocate = (*class).tp_alloc.expect("every class can allocate");
            let object = allocate(class, 0);
            if object.is_null() {
                return Err(PyErr::fetch(Python::assume_attached()));
            }
            object.byte_add(B::cell().offset.load(Ordering::Relaxed)).cast::<B>().write(body);
            Ok(object)
        }
    }

    /// Memory for an instance, with the fields of the base cleared.
    unsafe fn allocate(
        py: Python<'_>,
        class: *mut ffi::PyTypeObject,
        offset: usize,
    ) -> PyResult<*mut ffi::PyObject> {
        // SAFETY: the caller vouches for the class; the memory up to the offset is the object's.
        unsafe {
            let object: *mut ffi::PyObject = ffi::PyObject_GC_New(class);
            if object.is_null() {
                return Err(PyErr::fetch(py));
            }
            let header = size_of::<ffi::PyObject>();
            object.byte_add(header).cast::<u8>().write_bytes(0, offset - header);
            Ok(object)
        }
    }

    /// Drops the owner's reference to an instance that was not tracked from the start. If somebody
    /// else holds the instance, the collector gets to know it now.
    #[inline]
    pub fn release(self) {
        let object = self.0.as_ptr();
        // SAFETY: attached, as every holder of an `Obj` is; the object is alive and of a class
        // with garbage collection.
        unsafe {
            if !B::TRACKED && ffi::Py_REFCNT(object) > 1 && ffi::PyObject_GC_IsTracked(object) == 0
            {
                ffi::PyObject_GC_Track(object.cast());
            }
        }
    }

    /// The collector's visit of an owner that holds this instance.
    ///
    /// An instance that the collector does not know, and that nobody else holds, is seen through:
    /// what it holds counts as held by its owner. One that somebody else holds as well is taken
    /// for reachable until its owner lets it go.
    pub fn traverse_owned(&self, visit: &mut Visit<'_>) {
        let object = self.0.as_ptr();
        // SAFETY: the object is alive.
        let (tracked, held) =
            unsafe { (ffi::PyObject_GC_IsTracked(object) != 0, ffi::Py_REFCNT(object) > 1) };
        if tracked {
            visit.object(&self.0);
        } else if !held {
            B::traverse(self, visit);
        }
    }

    pub(super) unsafe fn from_borrowed(object: *mut ffi::PyObject) -> Self {
        // SAFETY: the caller vouches for the class.
        unsafe {
            ffi::Py_INCREF(object);
            Instance(Obj::from_owned(object), PhantomData)
        }
    }

    /// `object`, if it is an instance of the class.
    pub fn cast(object: &Bound<'_, PyAny>) -> Option<Self> {
        // SAFETY: the type is compared first.
        unsafe {
            let class = B::cell().class.load(Ordering::Relaxed);
            let of_class = ffi::Py_TYPE(object.as_ptr()) == class
                || B::CONSTRUCT.is_some()
                    && ffi::PyType_IsSubtype(ffi::Py_TYPE(object.as_ptr()), class) != 0;
            of_class.then(|| Instance::from_borrowed(object.as_ptr()))
        }
    }

    /// The object.
    #[inline]
    pub fn bind<'py>(&self, py: Python<'py>) -> Borrowed<'_, 'py, PyAny> {
        self.0.bind(py)
    }

    /// The object.
    #[inline]
    pub fn object(&self) -> &Obj {
        &self.0
    }

    /// A second reference.
    #[inline]
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        Instance(self.0.clone_ref(py), PhantomData)
    }

    /// The reference, without its type.
    #[inline]
    pub fn into_obj(self) -> Obj {
        self.0
    }

    /// A number that no other living object has.
    pub fn identity(&self) -> usize {
        self.0.as_ptr() as usize
    }

    /// Whether both are the same object.
    pub fn is(&self, other: &Self) -> bool {
        self.0.as_ptr() == other.0.as_ptr()
    }
}

/// Makes the class of `B` and adds it to `module`.
///
/// # Errors
///
/// When the base cannot be imported or the class not be made.
pub fn add_class<B: Native>(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let base = B::base(py)?;
    let cell = B::cell();
    let tables = cell.tables.get_or_init(|| Tables {
        methods: B::methods().into_iter().chain([MethodDef(ffi::PyMethodDef::zeroed())]).collect(),
        getters: B::getters().into_iter().chain([Getter::end()]).collect(),
    });
    // SAFETY: the type object is alive, and its size is that of its instances.
    let base_size = unsafe { (*base.as_type_ptr()).tp_basicsize.cast_unsigned() };
    let offset = base_size.next_multiple_of(align_of::<B>());
    let mut slots = vec![
        slot(ffi::Py_tp_dealloc, dealloc::<B> as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse::<B> as *mut c_void),
        slot(ffi::Py_tp_clear, clear::<B> as *mut c_void),
        slot(ffi::Py_tp_methods, tables.methods.as_ptr().cast_mut().cast()),
        slot(ffi::Py_tp_getset, tables.getters.as_ptr().cast_mut().cast()),
        slot(ffi::Py_tp_doc, B::DOC.as_ptr().cast_mut().cast()),
    ];
    if B::HAS_FINALIZER {
        slots.push(slot(ffi::Py_tp_finalize, finalize::<B> as *mut c_void));
    }
    if B::AWAITABLE {
        slots.push(slot(ffi::Py_tp_iter, ffi::PyObject_SelfIter as *mut c_void));
        slots.push(slot(ffi::Py_tp_iternext, iternext::<B> as *mut c_void));
        slots.push(slot(ffi::Py_am_await, ffi::PyObject_SelfIter as *mut c_void));
        slots.push(slot(ffi::Py_am_send, send::<B> as *mut c_void));
    }
    if B::HAS_REPR {
        slots.push(slot(ffi::Py_tp_repr, repr::<B> as *mut c_void));
    }
    let mut members =
        [dictionary_at(offset + B::DICTIONARY.unwrap_or(0)), ffi::PyMemberDef::default()];
    if B::DICTIONARY.is_some() {
        slots.push(slot(ffi::Py_tp_members, members.as_mut_ptr().cast()));
    }
    let mut flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC;
    if B::CONSTRUCT.is_some() {
        slots.push(slot(ffi::Py_tp_new, construct::<B> as *mut c_void));
        slots.push(slot(ffi::Py_tp_init, initialize as *mut c_void));
        flags |= ffi::Py_TPFLAGS_BASETYPE;
    } else {
        flags |= ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
    }
    slots.push(slot(0, std::ptr::null_mut()));
    let mut spec = ffi::PyType_Spec {
        name: B::NAME.as_ptr(),
        basicsize: c_int::try_from(offset + size_of::<B>()).unwrap_or(c_int::MAX),
        itemsize: 0,
        flags: c_uint::try_from(flags).unwrap_or(c_uint::MAX),
        slots: slots.as_mut_ptr(),
    };
    let bases = PyTuple::new(py, [&base])?;
    // SAFETY: the specification is complete; what it points to is static, or copied by the call.
    let class = unsafe {
        let class = ffi::PyType_FromSpecWithBases(&raw mut spec, bases.as_ptr());
        Bound::from_owned_ptr_or_err(py, class)?.cast_into_unchecked::<PyType>()
    };
    cell.offset.store(offset, Ordering::Relaxed);
    module.add(class.name()?, &class)?;
    // The cell keeps a reference for the life of the process: instances are made from it.
    cell.class.store(class.into_ptr().cast(), Ordering::Release);
    Ok(())
}

unsafe extern "C" fn construct<B: Native>(
    class: *mut ffi::PyTypeObject,
    _arguments: *mut ffi::PyObject,
    _keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with a class that derives from ours.
    unsafe {
        let py = Python::assume_attached();
        guard(py, || {
            let body = B::CONSTRUCT.expect("the slot is filled only then")();
            Ok(Obj::from_owned(Instance::<B>::allocate_of(class, body)?))
        })
    }
}

/// The construction has made the instance whole already.
unsafe extern "C" fn initialize(
    _this: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> c_int {
    // SAFETY: called by the interpreter with a tuple, and a dictionary or null.
    unsafe {
        let py = Python::assume_attached();
        let no_keywords = keywords.is_null() || ffi::PyDict_Size(keywords) == 0;
        if ffi::PyTuple_GET_SIZE(arguments) == 0 && no_keywords {
            return 0;
        }
        PyTypeError::new_err("the class takes no arguments").restore(py);
        -1
    }
}

/// Tells the interpreter where an instance keeps its dictionary: a reference, or null.
fn dictionary_at(offset: usize) -> ffi::PyMemberDef {
    ffi::PyMemberDef {
        name: c"__dictoffset__".as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        offset: offset.cast_signed(),
        flags: ffi::Py_READONLY,
        doc: std::ptr::null(),
    }
}

fn slot(number: c_int, function: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot: number, pfunc: function }
}

/// How deep the freeing of one instance may lead to the freeing of the next before the rest is put
/// off: a chain of handles is as long as its user makes it, and the stack is not.
const NESTED: usize = 64;

/// What is being freed in one thread.
struct Freeing {
    depth: Cell<usize>,
    /// Never dropped, so that reaching it costs no registration; it is empty when a thread ends.
    put_off: ManuallyDrop<RefCell<Vec<(ffi::destructor, *mut ffi::PyObject)>>>,
}

thread_local! {
    static FREEING: Freeing = const {
        Freeing {
            depth: Cell::new(0),
            put_off: ManuallyDrop::new(RefCell::new(Vec::new())),
        }
    };
}

unsafe extern "C" fn dealloc<B: Native>(this: *mut ffi::PyObject) {
    FREEING.with(|freeing| {
        let depth = freeing.depth.get();
        if depth >= NESTED {
            // SAFETY: the interpreter's own call; nobody refers to the object, nor does the
            // collector from now on.
            unsafe { ffi::PyObject_GC_UnTrack(this.cast()) };
            freeing.put_off.borrow_mut().push((dealloc::<B>, this));
            return;
        }
        freeing.depth.set(depth + 1);
        // SAFETY: the interpreter's own call, or one that was put off and is made once.
        unsafe { free_instance::<B>(this) };
        if depth == 0 {
            loop {
                let next = freeing.put_off.borrow_mut().pop();
                let Some((free, object)) = next else { break };
                // SAFETY: as above.
                unsafe { free(object) };
            }
        }
        freeing.depth.set(depth);
    });
}

/// Drops what code in Python has put into the fields of a base class: they are all references,
/// because the bases declare them as `__slots__`.
unsafe fn clear_base_fields(this: *mut ffi::PyObject, end: usize) {
    let header = size_of::<ffi::PyObject>();
    for place in (header..end).step_by(size_of::<*mut ffi::PyObject>()) {
        // SAFETY: within the object; null or an owned reference, which is taken out first.
        unsafe {
            let field = this.byte_add(place).cast::<*mut ffi::PyObject>();
            if !(*field).is_null() {
                ffi::Py_DECREF(field.replace(std::ptr::null_mut()));
            }
        }
    }
}

unsafe fn free_instance<B: Native>(this: *mut ffi::PyObject) {
    // SAFETY: called by the interpreter for an instance whose last reference went. The order is
    // that of the manual: finalizer, untrack, weak references, fields, memory, type.
    unsafe {
        if B::HAS_FINALIZER && ffi::PyObject_CallFinalizerFromDealloc(this) != 0 {
            return;
        }
        ffi::PyObject_GC_UnTrack(this.cast());
        let class = ffi::Py_TYPE(this);
        if (*class).tp_weaklistoffset != 0 {
            ffi::PyObject_ClearWeakRefs(this);
        }
        let body = std::ptr::from_ref(B::from_object(this)).cast_mut();
        let dropped = catch_unwind(AssertUnwindSafe(|| std::ptr::drop_in_place(body)));
        debug_assert!(dropped.is_ok(), "a drop panicked");
        clear_base_fields(this, B::cell().offset.load(Ordering::Relaxed));
        if B::RECYCLED > 0 && B::cell().recycled.give(this, B::RECYCLED) {
            ffi::Py_DECREF(class.cast());
            return;
        }
        if let Some(free) = (*class).tp_free {
            free(this.cast());
        }
        ffi::Py_DECREF(class.cast());
    }
}

unsafe extern "C" fn traverse<B: Native>(
    this: *mut ffi::PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: called by the collector for a live instance.
    unsafe {
        let result = visit(ffi::Py_TYPE(this).cast(), argument);
        if result != 0 {
            return result;
        }
        let mut visit = Visit::raw(visit, argument);
        B::from_object(this).traverse(&mut visit);
        visit.result()
    }
}

unsafe extern "C" fn clear<B: Native>(this: *mut ffi::PyObject) -> c_int {
    // SAFETY: called by the collector for a live instance.
    let body = unsafe { B::from_object(this) };
    let cleared = catch_unwind(AssertUnwindSafe(|| body.clear()));
    debug_assert!(cleared.is_ok(), "a clear panicked");
    0
}

unsafe extern "C" fn finalize<B: Native>(this: *mut ffi::PyObject) {
    // SAFETY: called by the interpreter, attached, for an instance that is still whole. An
    // exception that is set on entry must be set on return.
    unsafe {
        let py = Python::assume_attached();
        let pending = PyErr::take(py);
        let object = Borrowed::from_ptr(py, this);
        let outcome = catch_unwind(AssertUnwindSafe(|| B::from_object(this).finalize(object)));
        if let Ok(Err(error)) = outcome {
            error.write_unraisable(py, Some(&object));
        }
        if let Some(pending) = pending {
            pending.restore(py);
        }
    }
}

unsafe extern "C" fn repr<B: Native>(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with an instance.
    unsafe {
        let py = Python::assume_attached();
        guard(py, || {
            let text = B::from_object(this).repr(Borrowed::from_ptr(py, this))?;
            Ok(Obj::from(pyo3::types::PyString::new(py, &text)))
        })
    }
}

unsafe extern "C" fn iternext<B: Native>(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with an instance.
    unsafe {
        let py = Python::assume_attached();
        guard(py, || match B::next(&Instance::from_borrowed(this), py)? {
            Step::Yield(object) => Ok(object),
            Step::Return(value) => Err(stop_iteration(py, value)),
        })
    }
}

/// The exception that carries the result of an iterator.
///
/// The instance is made here, because raising the class with a tuple as value would spread it.
pub fn stop_iteration(py: Python<'_>, value: Option<Obj>) -> PyErr {
    let value = value.unwrap_or_else(|| Obj::none(py));
    let class = py.get_type::<pyo3::exceptions::PyStopIteration>();
    class.call1((value.bind(py),)).map_or_else(|error| error, PyErr::from_value)
}

unsafe extern "C" fn send<B: Native>(
    this: *mut ffi::PyObject,
    _value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: called by the interpreter with an instance and a place for the result.
    unsafe {
        let py = Python::assume_attached();
        let mut ended = false;
        let object = guard(py, || match B::next(&Instance::from_borrowed(this), py)? {
            Step::Yield(object) => Ok(object),
            Step::Return(value) => {
                ended = true;
                Ok(value.unwrap_or_else(|| Obj::none(py)))
            }
        });
        *result = object;
        match (object.is_null(), ended) {
            (true, _) => ffi::PySendResult::PYGEN_ERROR,
            (false, true) => ffi::PySendResult::PYGEN_RETURN,
            (false, false) => ffi::PySendResult::PYGEN_NEXT,
        }
    }
}
