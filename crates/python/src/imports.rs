//! The objects of the standard library that the loop calls, looked up once.

use crate::capi::{Obj, Once};
use pyo3::prelude::*;

macro_rules! imports {
    (
        $(#[$about:meta])* $struct:ident, $function:ident, $cell:ident:
        $($(#[$doc:meta])* $name:ident = $module:literal . $($attribute:literal).+;)+
    ) => {
        $(#[$about])*
        pub struct $struct {
            $($(#[$doc])* pub $name: Obj,)+
        }

        impl $struct {
            fn load(py: Python<'_>) -> PyResult<Self> {
                Ok($struct {
                    $($name: Obj::from(py.import($module)?$(.getattr($attribute)?)+),)+
                })
            }
        }

        static $cell: Once<$struct> = Once::new();

        /// The imported objects.
        ///
        /// # Errors
        ///
        /// What the first import raises.
        #[inline]
        pub fn $function(py: Python<'_>) -> PyResult<&'static $struct> {
            $cell.get_or_try(|| $struct::load(py))
        }
    };
}

imports! {
    /// What is imported.
    Imports, imports, IMPORTS:
    future_names = "asyncio"."futures"."__dict__";
    task_names = "asyncio"."tasks"."__dict__";
    buffered_protocol = "asyncio"."BufferedProtocol";
    iscoroutine = "asyncio"."coroutines"."iscoroutine";
    iscoroutinefunction = "inspect"."iscoroutinefunction";
    extract_stack = "asyncio"."format_helpers"."extract_stack";
    logger = "asyncio"."log"."logger";
    sendfile_native = "asyncio"."constants"."_SendfileMode"."TRY_NATIVE";
    sendfile_fallback = "asyncio"."constants"."_SendfileMode"."FALLBACK";
    transport_socket = "asyncio"."trsock"."TransportSocket";
    socket = "socket"."socket";
    ssl_socket = "nalsil"."_imports"."SSLSocket";
    method_class = "types"."MethodType";
    partial_class = "functools"."partial";
    condition = "threading"."Condition";
    future_class = "nalsil"."_future"."Future";
    future_cancelled = "concurrent.futures"."CancelledError";
    invalid_state = "concurrent.futures"."InvalidStateError";
    loop_invalid_state = "asyncio"."InvalidStateError";
    broken_pool = "concurrent.futures.thread"."BrokenThreadPool";
    futures_logger = "concurrent.futures._base"."LOGGER";
    queue_full = "nalsil"."_errors"."QueueFull";
    pool_deadlock = "nalsil"."_errors"."PoolDeadlock";
    cancelled_error = "asyncio"."CancelledError";
    pool_class = "nalsil"."_pool"."ThreadPoolExecutor";
    stacks_of = "nalsil"."_stacks"."stacks_of";
    waits_for = "nalsil"."_stacks"."WAITS_FOR";
    get_frame = "sys"."_getframe";
    warn = "warnings"."warn";
}

imports! {
    /// What is imported once TLS is used. Python can be built without it.
    TlsImports, tls_imports, TLS_IMPORTS:
    memory_bio = "ssl"."MemoryBIO";
    ssl_object = "ssl"."SSLObject";
    ssl_socket = "_ssl"."_SSLSocket";
    certificate_error = "ssl"."SSLCertVerificationError";
    want_read = "ssl"."SSLWantReadError";
    want_write = "ssl"."SSLWantWriteError";
    syscall_error = "ssl"."SSLSyscallError";
    zero_return = "ssl"."SSLZeroReturnError";
}
