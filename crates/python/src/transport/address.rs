//! Addresses of sockets as Python writes them.

use nalsil_driver::sys::net::Address;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// The object that Python's own sockets would give for `address`; nothing for families that are
/// not read here.
///
/// # Errors
///
/// `MemoryError`.
pub fn to_python<'py>(py: Python<'py>, address: &Address) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(Some(match address {
        Address::V4(host, port) => (host.to_string(), *port).into_pyobject(py)?.into_any(),
        Address::V6(host, port, flow, scope) => {
            (ipv6_text(host), *port, *flow & 0x000f_ffff, *scope).into_pyobject(py)?.into_any()
        }
        Address::Unix(name) if name.first() == Some(&0) => PyBytes::new(py, name).into_any(),
        Address::Unix(name) => match std::str::from_utf8(name) {
            Ok(text) => PyString::new(py, text).into_any(),
            Err(_) => py.import("os")?.call_method1("fsdecode", (PyBytes::new(py, name),))?,
        },
        Address::Other(_) => return Ok(None),
    }))
}

/// The text of `inet_ntop`, which writes the last four bytes of a compatible address as IPv4.
fn ipv6_text(host: &std::net::Ipv6Addr) -> String {
    let segments = host.segments();
    if segments[..6] == [0; 6] && segments[6] != 0 {
        let [.., a, b, c, d] = host.octets();
        return format!("::{a}.{b}.{c}.{d}");
    }
    host.to_string()
}
