//! Pipes, terminals and character devices, on descriptors that somebody else owns.

use super::check;
use super::net::{MAX_BUFFERS, check_size, retry};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

/// The number of the error that reading a terminal is once its other side is closed.
pub const END_OF_TERMINAL: i32 = libc::EIO;

/// What a descriptor stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A pipe, with or without a name.
    Pipe,
    /// A socket.
    Socket,
    /// A terminal or another character device.
    CharacterDevice,
    /// A file, a directory, a block device or something else that is always ready.
    Other,
}

/// What `fd` stands for.
///
/// # Errors
///
/// `EBADF`.
pub fn kind(fd: RawFd) -> io::Result<Kind> {
    // SAFETY: every bit pattern is a valid `stat`, and the pointer is to a local.
    let mode = unsafe {
        let mut status: libc::stat = std::mem::zeroed();
        check(libc::fstat(fd, &raw mut status))?;
        status.st_mode
    };
    Ok(match mode & libc::S_IFMT {
        libc::S_IFIFO => Kind::Pipe,
        libc::S_IFSOCK => Kind::Socket,
        libc::S_IFCHR => Kind::CharacterDevice,
        _ => Kind::Other,
    })
}

/// Puts `fd` into non-blocking mode, for whoever shares it.
///
/// # Errors
///
/// `EBADF`.
pub fn set_nonblocking(fd: RawFd) -> io::Result<()> {
    // SAFETY: no pointers.
    unsafe {
        let flags = check(libc::fcntl(fd, libc::F_GETFL))?;
        if flags & libc::O_NONBLOCK == 0 {
            check(libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK))?;
        }
    }
    Ok(())
}

/// Another descriptor of the same pipe, close-on-exec, which belongs to the caller.
///
/// # Errors
///
/// `EMFILE` when the process has no descriptor left.
pub fn duplicate(fd: RawFd) -> io::Result<RawFd> {
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })
}

/// Reads into `buffer`; the first `n` bytes of it are then initialised. Zero: nobody writes any
/// more.
///
/// # Errors
///
/// `WouldBlock` when there is nothing yet; `EIO` of a terminal whose other side is closed.
pub fn read(fd: RawFd, buffer: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    retry(|| {
        // SAFETY: the system writes at most the length of the slice.
        check_size(unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) })
    })
}

/// Writes what the system takes of `data` and returns how much that was.
///
/// # Errors
///
/// `WouldBlock` when there is no room now; `BrokenPipe` when nobody reads any more. Then a signal
/// comes as well (`SIGPIPE`), which Python ignores.
pub fn write(fd: RawFd, data: &[u8]) -> io::Result<usize> {
    retry(|| {
        // SAFETY: the system reads the slice.
        check_size(unsafe { libc::write(fd, data.as_ptr().cast(), data.len()) })
    })
}

/// [`write()`] for several buffers at once, [`MAX_BUFFERS`] of them at most.
///
/// # Errors
///
/// Those of [`write()`].
pub fn write_vectored(fd: RawFd, buffers: &[io::IoSlice<'_>]) -> io::Result<usize> {
    let count = buffers.len().min(MAX_BUFFERS) as libc::c_int;
    retry(|| {
        // SAFETY: `IoSlice` has the layout of `iovec`, and the system only reads what it points to.
        check_size(unsafe { libc::writev(fd, buffers.as_ptr().cast(), count) })
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_descriptor_is_what_it_is() {
        let (reading, _writing) = std::io::pipe().unwrap();
        assert_eq!(kind(reading.as_raw_fd()).unwrap(), Kind::Pipe);
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(kind(socket.as_raw_fd()).unwrap(), Kind::Socket);
        let device = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(kind(device.as_raw_fd()).unwrap(), Kind::CharacterDevice);
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(kind(file.as_raw_fd()).unwrap(), Kind::Other);
        assert_eq!(kind(-1).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn a_pipe_is_written_in_order_until_it_is_full_and_read_until_it_ends() {
        let (reading, writing) = std::io::pipe().unwrap();
        set_nonblocking(reading.as_raw_fd()).unwrap();
        set_nonblocking(writing.as_raw_fd()).unwrap();
        let mut buffer = [MaybeUninit::uninit(); 64];
        let error = read(reading.as_raw_fd(), &mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let parts = ["warp ", "and ", "weft"].map(|part| io::IoSlice::new(part.as_bytes()));
        assert_eq!(write_vectored(writing.as_raw_fd(), &parts).unwrap(), 13);
        let other = duplicate(reading.as_raw_fd()).unwrap();
        let count = read(other, &mut buffer).unwrap();
        crate::sys::net::close(other);
        // SAFETY: `read` has initialised that many.
        let text: Vec<_> = buffer[..count].iter().map(|b| unsafe { b.assume_init() }).collect();
        assert_eq!(text, b"warp and weft");
        while write(writing.as_raw_fd(), &[0; 4096]).is_ok() {}
        let error = write(writing.as_raw_fd(), &[0; 4096]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(writing);
        while read(reading.as_raw_fd(), &mut buffer).unwrap() > 0 {}
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_broken() {
        let (reading, writing) = std::io::pipe().unwrap();
        drop(reading);
        let error = write(writing.as_raw_fd(), b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
