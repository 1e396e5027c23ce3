//! Loopback ports that stay ours.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, setsockopt, socket, sockopt};

/// A free loopback port of the kernel's choice that nobody else can take while this value lives: a socket is bound to
/// it that never listens. A server of the same user listens there with `SO_REUSEPORT`, comes and goes; in between,
/// clients are refused.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _socket: OwnedFd,
}

impl Port {
    /// Reserves a port.
    ///
    /// # Errors
    /// The system has none left.
    pub fn reserve() -> Result<Self> {
        Self::reserve_socket().context("cannot reserve a loopback port")
    }

    fn reserve_socket() -> Result<Self> {
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&socket, sockopt::ReusePort, &true)?;
        bind(socket.as_raw_fd(), &SockaddrIn::from(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)))?;
        let address: SockaddrIn = getsockname(socket.as_raw_fd())?;
        Ok(Self { number: address.port(), _socket: socket })
    }

    /// The port's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}
