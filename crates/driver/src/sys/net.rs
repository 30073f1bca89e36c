//! Socket calls that never block, on descriptors that somebody else owns.

use super::check;
use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::RawFd;

/// The most buffers that one [`send_vectored`] takes; more wait for the next call.
pub const MAX_BUFFERS: usize = 64;

/// The number of the error that says "not now".
pub const WOULD_BLOCK: i32 = libc::EWOULDBLOCK;

/// An address of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// IPv4: host and port.
    V4(Ipv4Addr, u16),
    /// IPv6: host, port, flow label, scope.
    V6(Ipv6Addr, u16, u32, u32),
    /// Unix: the path, without its terminator; empty if the socket has no name. An abstract name
    /// begins with a zero byte.
    Unix(Vec<u8>),
    /// A family that this crate does not read, by its number.
    Other(i32),
}

/// An address as the system has it.
pub(super) struct RawAddress {
    storage: libc::sockaddr_storage,
    pub(super) length: libc::socklen_t,
}

impl RawAddress {
    pub(super) fn empty() -> Self {
        // SAFETY: every bit pattern is a valid `sockaddr_storage`.
        let storage = unsafe { std::mem::zeroed() };
        RawAddress { storage, length: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    /// `address` for the system; nothing for families that are not written here, and for names that
    /// are too long.
    pub(super) fn of(address: &Address) -> Option<Self> {
        let mut raw = Self::empty();
        let length = match address {
            Address::V4(host, port) => {
                // SAFETY: the storage is large and aligned enough for every kind of address.
                let v4 = unsafe { &mut *(&raw mut raw.storage).cast::<libc::sockaddr_in>() };
                v4.sin_family = libc::AF_INET as libc::sa_family_t;
                v4.sin_port = port.to_be();
                v4.sin_addr.s_addr = u32::from(*host).to_be();
                size_of::<libc::sockaddr_in>()
            }
            Address::V6(host, port, flow, scope) => {
                // SAFETY: as above.
                let v6 = unsafe { &mut *(&raw mut raw.storage).cast::<libc::sockaddr_in6>() };
                v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                v6.sin6_port = port.to_be();
                v6.sin6_addr.s6_addr = host.octets();
                v6.sin6_flowinfo = flow.to_be();
                v6.sin6_scope_id = *scope;
                size_of::<libc::sockaddr_in6>()
            }
            Address::Unix(name) => {
                // SAFETY: as above.
                let unix = unsafe { &mut *(&raw mut raw.storage).cast::<libc::sockaddr_un>() };
                // A path has a terminator, for which there must be room.
                if name.len() >= unix.sun_path.len() {
                    return None;
                }
                unix.sun_family = libc::AF_UNIX as libc::sa_family_t;
                for (place, byte) in unix.sun_path.iter_mut().zip(name) {
                    *place = *byte as libc::c_char;
                }
                let terminator = usize::from(!matches!(name.first(), None | Some(0)));
                std::mem::offset_of!(libc::sockaddr_un, sun_path) + name.len() + terminator
            }
            Address::Other(_) => return None,
        };
        raw.length = length as libc::socklen_t;
        Some(raw)
    }

    pub(super) fn pointer(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.storage).cast()
    }

    /// The sender of a datagram, if it has a name.
    pub(super) fn read_sender(&self) -> Option<Address> {
        (self.length > 0).then(|| self.read())
    }

    fn read(&self) -> Address {
        match i32::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the family says which of the overlaid structures it is.
                let v4 = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in>() };
                Address::V4(
                    Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)),
                    u16::from_be(v4.sin_port),
                )
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let v6 = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_in6>() };
                Address::V6(
                    Ipv6Addr::from(v6.sin6_addr.s6_addr),
                    u16::from_be(v6.sin6_port),
                    u32::from_be(v6.sin6_flowinfo),
                    v6.sin6_scope_id,
                )
            }
            libc::AF_UNIX => Address::Unix(self.unix_name()),
            family => Address::Other(family),
        }
    }

    fn unix_name(&self) -> Vec<u8> {
        let header = std::mem::offset_of!(libc::sockaddr_un, sun_path);
        let length = (self.length as usize).saturating_sub(header);
        // SAFETY: the storage is larger than `sockaddr_un`, and the length is the system's.
        let name = unsafe {
            let start = (&raw const self.storage).cast::<u8>().add(header);
            std::slice::from_raw_parts(start, length.min(size_of::<libc::sockaddr_un>() - header))
        };
        match name.first() {
            // The length of an abstract name counts; a path ends at its terminator.
            Some(0) => name.to_vec(),
            _ => name.iter().copied().take_while(|byte| *byte != 0).collect(),
        }
    }
}

pub(super) fn check_size(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

pub(super) fn retry<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Receives into `buffer`; the first `n` bytes of it are then initialised. Zero: the peer is done.
///
/// # Errors
///
/// `WouldBlock` when nothing has arrived; what the connection says otherwise.
pub fn recv(fd: RawFd, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    retry(|| {
        // SAFETY: the system writes at most the length of the slice.
        check_size(unsafe {
            libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT)
        })
    })
}

/// [`recv`] that gives what was received: the beginning of `buffer`. Nothing: the peer is done.
///
/// # Errors
///
/// Those of [`recv`].
pub fn recv_into(fd: RawFd, buffer: &mut [MaybeUninit<u8>]) -> io::Result<&[u8]> {
    let count = recv(fd, buffer)?;
    // SAFETY: the system has written that many.
    Ok(unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast(), count) })
}

/// Sends what the system takes of `data` and returns how much that was.
///
/// # Errors
///
/// `WouldBlock` when the system takes nothing now; what the connection says otherwise. A closed
/// connection is `BrokenPipe`, never a signal.
pub fn send(fd: RawFd, data: &[u8]) -> io::Result<usize> {
    retry(|| {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the system reads the slice.
        check_size(unsafe { libc::send(fd, data.as_ptr().cast(), data.len(), flags) })
    })
}

/// [`send`] for several buffers at once, [`MAX_BUFFERS`] of them at most.
///
/// # Errors
///
/// Those of [`send`].
pub fn send_vectored(fd: RawFd, buffers: &[io::IoSlice<'_>]) -> io::Result<usize> {
    let count = buffers.len().min(MAX_BUFFERS);
    retry(|| {
        // SAFETY: zero is a valid header; `IoSlice` has the layout of `iovec`, and the system only
        // reads what it points to.
        check_size(unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = buffers.as_ptr().cast_mut().cast();
            message.msg_iovlen = count as _;
            libc::sendmsg(fd, &raw const message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
        })
    })
}

/// Takes one connection from a listening socket that is in non-blocking mode. The new descriptor
/// belongs to the caller.
///
/// # Errors
///
/// `WouldBlock` when none waits; `EMFILE` and its kin when there is no room for it.
pub fn accept(fd: RawFd) -> io::Result<(RawFd, Address)> {
    retry(|| {
        let mut peer = RawAddress::empty();
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: the pointers are to a local with its true length.
        let accepted =
            check(unsafe { libc::accept4(fd, peer.pointer(), &raw mut peer.length, flags) })?;
        Ok((accepted, peer.read()))
    })
}

/// The address that the socket is bound to.
///
/// # Errors
///
/// `EBADF` and `ENOTSOCK`.
pub fn local_address(fd: RawFd) -> io::Result<Address> {
    let mut address = RawAddress::empty();
    // SAFETY: the pointers are to a local with its true length.
    check(unsafe { libc::getsockname(fd, address.pointer(), &raw mut address.length) })?;
    Ok(address.read())
}

/// The address that the socket is connected to.
///
/// # Errors
///
/// `ENOTCONN` when it is not, or no more.
pub fn peer_address(fd: RawFd) -> io::Result<Address> {
    let mut address = RawAddress::empty();
    // SAFETY: the pointers are to a local with its true length.
    check(unsafe { libc::getpeername(fd, address.pointer(), &raw mut address.length) })?;
    Ok(address.read())
}

fn set_option<V>(fd: RawFd, level: i32, name: i32, value: V) -> io::Result<()> {
    // SAFETY: the pointer is to a local of that length.
    check(unsafe {
        let length = size_of::<V>() as libc::socklen_t;
        libc::setsockopt(fd, level, name, (&raw const value).cast(), length)
    })?;
    Ok(())
}

/// Sends small segments at once instead of waiting for more.
///
/// # Errors
///
/// For sockets that are not TCP.
pub fn set_nodelay(fd: RawFd) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1i32)
}

/// Makes closing the socket a reset.
///
/// # Errors
///
/// `EBADF` and `ENOTSOCK`.
pub fn reset_on_close(fd: RawFd) -> io::Result<()> {
    set_option(fd, libc::SOL_SOCKET, libc::SO_LINGER, libc::linger { l_onoff: 1, l_linger: 0 })
}

/// Ends the sending side of a connection.
///
/// # Errors
///
/// `ENOTCONN` when there is no connection any more.
pub fn shutdown_write(fd: RawFd) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::shutdown(fd, libc::SHUT_WR) })?;
    Ok(())
}

/// Closes a descriptor that the caller owns and nobody uses after this.
pub fn close(fd: RawFd) {
    // The descriptor is gone whatever the result; a second try could hit somebody else's.
    // SAFETY: no pointers.
    unsafe { libc::close(fd) };
}

/// Whether the socket has no peer.
pub fn is_unconnected(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOTCONN)
}

/// Whether an accept failed because the process or the system has no room, which may pass.
pub fn is_out_of_resources(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Whether an accept failed because the connection went away, or the firewall spoke, so that the
/// next connection may be fine.
pub fn is_gone_before_accept(error: &io::Error) -> bool {
    // Linux passes errors of the network that are pending on the new connection through accept.
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EPROTO
                | libc::EPERM
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
        )
    )
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    fn receive(fd: RawFd) -> io::Result<Vec<u8>> {
        let mut buffer = [MaybeUninit::uninit(); 64];
        let count = recv(fd, &mut buffer)?;
        // SAFETY: `recv` has initialised that many.
        Ok(buffer[..count].iter().map(|byte| unsafe { byte.assume_init() }).collect())
    }

    #[test]
    fn nothing_blocks_on_a_blocking_socket() {
        let (near, far) = UnixStream::pair().unwrap();
        let error = receive(near.as_raw_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let megabyte = vec![0; 1 << 20];
        while send(far.as_raw_fd(), &megabyte).is_ok() {}
        let error = send(far.as_raw_fd(), &megabyte).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn buffers_go_out_in_order() {
        let (near, far) = UnixStream::pair().unwrap();
        let parts = ["warp ", "and ", "weft"].map(|part| io::IoSlice::new(part.as_bytes()));
        assert_eq!(send_vectored(far.as_raw_fd(), &parts).unwrap(), 13);
        assert_eq!(receive(near.as_raw_fd()).unwrap(), b"warp and weft");
        shutdown_write(far.as_raw_fd()).unwrap();
        assert_eq!(receive(near.as_raw_fd()).unwrap(), b"");
    }

    #[test]
    fn a_closed_peer_is_a_broken_pipe_and_no_signal() {
        let (near, far) = UnixStream::pair().unwrap();
        drop(far);
        let error = send(near.as_raw_fd(), b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn addresses_are_read_as_the_system_gives_them() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(host) else { continue };
            listener.set_nonblocking(true).unwrap();
            let bound = listener.local_addr().unwrap();
            let error = accept(listener.as_raw_fd()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            let client = TcpStream::connect(bound).unwrap();
            let (fd, peer) = accept(listener.as_raw_fd()).unwrap();
            assert_eq!(peer, local_address(client.as_raw_fd()).unwrap());
            assert_eq!(peer_address(fd).unwrap(), peer);
            let port = match local_address(fd).unwrap() {
                Address::V4(host, port) => host.is_loopback().then_some(port),
                Address::V6(host, port, ..) => host.is_loopback().then_some(port),
                other => panic!("{other:?}"),
            };
            assert_eq!(port, Some(bound.port()));
            set_nodelay(fd).unwrap();
            close(fd);
        }
    }

    #[test]
    fn unix_names_are_paths_or_empty() {
        let path = std::env::temp_dir().join(format!("nalsil-net-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let name = path.to_str().unwrap().as_bytes().to_vec();
        assert_eq!(local_address(listener.as_raw_fd()).unwrap(), Address::Unix(name.clone()));
        assert_eq!(peer_address(client.as_raw_fd()).unwrap(), Address::Unix(name));
        assert_eq!(local_address(client.as_raw_fd()).unwrap(), Address::Unix(Vec::new()));
        std::fs::remove_file(&path).unwrap();
    }
}
