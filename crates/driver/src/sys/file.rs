//! Files, sent by the system itself.

#[cfg(target_os = "linux")]
use super::net::{check_size, retry};
use std::io;
use std::os::fd::RawFd;

/// The most bytes that are sent with one call. What is not in memory is read from the disk by the
/// call, while the caller waits.
pub const MAX_SEND: usize = 256 * 1024;

/// Sends up to `count` bytes, and up to [`MAX_SEND`], of the file `from` beginning at `offset` to the
/// socket `to`. Returns how many the system took; zero at the end of the file.
///
/// # Errors
///
/// `WouldBlock` when there is no room now; `EINVAL` and its kin for a file that cannot be sent so;
/// what the connection says otherwise. With a closed connection a signal comes as well (`SIGPIPE`),
/// which Python ignores.
#[cfg(target_os = "linux")]
pub fn send_file(to: RawFd, from: RawFd, offset: u64, count: u64) -> io::Result<usize> {
    let too_far = |_| io::Error::from_raw_os_error(libc::EOVERFLOW);
    let offset = libc::off_t::try_from(offset).map_err(too_far)?;
    let count = usize::try_from(count).unwrap_or(MAX_SEND).min(MAX_SEND);
    retry(|| {
        let mut offset = offset;
        // SAFETY: the pointer is to a local.
        check_size(unsafe { libc::sendfile(to, from, &raw mut offset, count) })
    })
}

/// [`send_file`] for systems whose call is not used yet: the caller reads and writes.
#[cfg(not(target_os = "linux"))]
pub fn send_file(_to: RawFd, _from: RawFd, _offset: u64, _count: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_range_is_sent_and_the_end_is_zero() {
        let path = std::env::temp_dir().join(format!("nalsil-file-{}", std::process::id()));
        std::fs::File::create(&path).unwrap().write_all(b"the warp threads").unwrap();
        let file = std::fs::File::open(&path).unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        let (to, from) = (near.as_raw_fd(), file.as_raw_fd());
        assert_eq!(send_file(to, from, 4, 4).unwrap(), 4);
        assert_eq!(send_file(to, from, 9, u64::MAX).unwrap(), 7);
        assert_eq!(send_file(to, from, 16, 1).unwrap(), 0);
        let mut received = [0; 11];
        far.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"warpthreads");
        let error = send_file(to, from, u64::MAX, 1).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EOVERFLOW));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_file_cannot_be_sent() {
        let (near, far) = UnixStream::pair().unwrap();
        let (reading, _writing) = std::io::pipe().unwrap();
        assert!(send_file(near.as_raw_fd(), reading.as_raw_fd(), 0, 1).is_err());
        drop(far);
    }
}
