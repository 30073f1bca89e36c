//! Datagrams: received several at a time and sent one by one, on descriptors that somebody else
//! owns.

use super::net::{self, Address, RawAddress, check_size, retry};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

/// The most datagrams that one [`recv_many`] takes; more wait for the next call.
pub const MAX_DATAGRAMS: usize = 4;

/// What is known of a datagram that was received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Datagram {
    /// Its bytes, as far as there was room for them.
    pub length: usize,
    /// Who sent it; nothing if the sender has no name, or the socket is of a kind without names.
    pub from: Option<Address>,
}

/// Receives one datagram into `buffer`; its first bytes are then initialised. What does not fit is
/// lost.
///
/// # Errors
///
/// `WouldBlock` when none has arrived; an earlier datagram's error, such as `ConnectionRefused`.
pub fn recv_from(fd: RawFd, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Datagram> {
    retry(|| {
        let mut from = RawAddress::empty();
        // SAFETY: the system writes at most the length of the slice, and of the local address.
        let length = check_size(unsafe {
            libc::recvfrom(
                fd,
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
                from.pointer(),
                &raw mut from.length,
            )
        })?;
        Ok(Datagram { length, from: from.read_sender() })
    })
}

/// Receives as many datagrams as have arrived and `found` has places for, [`MAX_DATAGRAMS`] at most,
/// each into its own piece of `buffer` of `room` bytes. Returns how many there were.
///
/// # Errors
///
/// Those of [`recv_from`], when there is none before the error.
#[cfg(target_os = "linux")]
pub fn recv_many(
    fd: RawFd,
    buffer: &mut [MaybeUninit<u8>],
    room: usize,
    found: &mut [Datagram],
) -> io::Result<usize> {
    let count = found.len().min(MAX_DATAGRAMS).min(buffer.len() / room);
    let mut names: [RawAddress; MAX_DATAGRAMS] = std::array::from_fn(|_| RawAddress::empty());
    // SAFETY: zero is a valid piece and a valid header; the pointers are set before they are used.
    let (mut pieces, mut messages): ([libc::iovec; MAX_DATAGRAMS], [libc::mmsghdr; MAX_DATAGRAMS]) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    for (index, piece) in buffer.chunks_exact_mut(room).take(count).enumerate() {
        pieces[index] = libc::iovec { iov_base: piece.as_mut_ptr().cast(), iov_len: room };
        let header = &mut messages[index].msg_hdr;
        header.msg_name = names[index].pointer().cast();
        header.msg_namelen = names[index].length;
        header.msg_iov = &raw mut pieces[index];
        header.msg_iovlen = 1;
    }
    let received = retry(|| {
        // SAFETY: that many headers are set, to pieces of the caller's slice and to locals. Without
        // a time limit: the flag says that nothing is waited for.
        check_size(unsafe {
            libc::recvmmsg(
                fd,
                messages.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            ) as isize
        })
    })?;
    for (index, place) in found.iter_mut().take(received).enumerate() {
        names[index].length = messages[index].msg_hdr.msg_namelen;
        let length = messages[index].msg_len as usize;
        *place = Datagram { length, from: names[index].read_sender() };
    }
    Ok(received)
}

/// [`recv_many`] for systems without such a call: one datagram at a time.
#[cfg(not(target_os = "linux"))]
pub fn recv_many(
    fd: RawFd,
    buffer: &mut [MaybeUninit<u8>],
    room: usize,
    found: &mut [Datagram],
) -> io::Result<usize> {
    let Some(place) = found.first_mut() else { return Ok(0) };
    *place = recv_from(fd, &mut buffer[..room])?;
    Ok(1)
}

/// Sends one datagram, to `to` or to whom the socket is connected.
///
/// # Errors
///
/// `WouldBlock` when there is no room now; an earlier datagram's error, and then this one is not
/// sent; `InvalidInput` for an address of a family that this crate does not write.
pub fn send_to(fd: RawFd, data: &[u8], to: Option<&Address>) -> io::Result<()> {
    let Some(to) = to else { return net::send(fd, data).map(drop) };
    let mut to = RawAddress::of(to).ok_or(io::ErrorKind::InvalidInput)?;
    retry(|| {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the system reads the slice, and the local address with its true length.
        check_size(unsafe {
            let (start, length) = (data.as_ptr().cast(), data.len());
            libc::sendto(fd, start, length, flags, to.pointer(), to.length)
        })?;
        Ok(())
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixDatagram;

    const ROOM: usize = 16;

    fn text(piece: &[MaybeUninit<u8>], length: usize) -> Vec<u8> {
        // SAFETY: the call has initialised that many.
        piece[..length].iter().map(|byte| unsafe { byte.assume_init() }).collect()
    }

    #[test]
    fn datagrams_keep_their_bounds_their_order_and_their_senders() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(receiver) = UdpSocket::bind(host) else { continue };
            let senders = [UdpSocket::bind(host).unwrap(), UdpSocket::bind(host).unwrap()];
            let to = net::local_address(receiver.as_raw_fd()).unwrap();
            let sent: Vec<_> = (0..MAX_DATAGRAMS + 1).map(|index| vec![b'x'; index]).collect();
            for (index, data) in sent.iter().enumerate() {
                send_to(senders[index % 2].as_raw_fd(), data, Some(&to)).unwrap();
            }
            let mut buffer = [MaybeUninit::uninit(); ROOM * MAX_DATAGRAMS];
            let mut found: [Datagram; MAX_DATAGRAMS] = Default::default();
            let fd = receiver.as_raw_fd();
            let mut index = 0;
            while index < sent.len() {
                let count = recv_many(fd, &mut buffer, ROOM, &mut found).unwrap();
                for (datagram, piece) in found.iter().zip(buffer.chunks(ROOM)).take(count) {
                    assert_eq!(text(piece, datagram.length), sent[index]);
                    let sender = net::local_address(senders[index % 2].as_raw_fd()).unwrap();
                    assert_eq!(datagram.from, Some(sender));
                    index += 1;
                }
            }
            let error = recv_many(fd, &mut buffer, ROOM, &mut found).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            let error = recv_from(fd, &mut buffer).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn a_sender_without_a_name_is_nobody_and_one_with_a_path_is_that() {
        let path = std::env::temp_dir().join(format!("nalsil-datagram-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let named = UnixDatagram::bind(&path).unwrap();
        let unnamed = UnixDatagram::unbound().unwrap();
        let to = net::local_address(named.as_raw_fd()).unwrap();
        send_to(unnamed.as_raw_fd(), b"who", Some(&to)).unwrap();
        send_to(named.as_raw_fd(), b"me", Some(&to)).unwrap();
        let mut buffer = [MaybeUninit::uninit(); ROOM];
        for (expected, from) in [(b"who".to_vec(), None), (b"me".to_vec(), Some(to.clone()))] {
            let datagram = recv_from(named.as_raw_fd(), &mut buffer).unwrap();
            assert_eq!((text(&buffer, datagram.length), datagram.from), (expected, from));
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_address_that_cannot_be_written_is_refused() {
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for address in [Address::Other(16), Address::Unix(vec![b'x'; 200])] {
            let error = send_to(sender.as_raw_fd(), b"x", Some(&address)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
