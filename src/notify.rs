//! Tells systemd how the service is (sd_notify(3)): one datagram to a socket that the environment names.
//!
//! Without that name nobody asked, and nothing is said. What cannot be said is no reason to stop.

use std::{
    env,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

/// The listeners are open.
pub fn ready() {
    tell("READY=1");
}

/// The listeners are closed, and what is under way is finished.
pub fn stopping() {
    tell("STOPPING=1");
}

/// It is alive.
pub fn alive() {
    tell("WATCHDOG=1");
}

/// How often systemd wants to hear that, if it does. It wants to hear it twice as often, in case that one
/// comes late.
pub fn watchdog() -> Option<Duration> {
    let microseconds = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let is_ours =
        env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
    is_ours.then(|| Duration::from_micros(microseconds) / 2).filter(|often| !often.is_zero())
}

fn tell(state: &str) {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else { return };
    let name = name.as_encoded_bytes();
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(String::from_utf8_lossy(name).as_ref()),
    };
    let told = address.and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        // Whoever does not read must not keep us.
        socket.set_nonblocking(true)?;
        socket.send_to_addr(state.as_bytes(), &address)
    });
    if let Err(error) = told {
        log::warn!(error:% = error; "systemd cannot be told {state}");
    }
}
