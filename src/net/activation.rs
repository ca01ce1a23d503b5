//! Sockets that systemd opened before it started us (sd_listen_fds(3)): ports below 1024 without
//! root, and no connection refused while we start again.

use std::{net::TcpListener, os::unix::net::UnixListener};

use listenfd::ListenFd;

/// The sockets handed over. Each can be taken once.
pub struct Activation {
    sockets: ListenFd,
    /// `LISTEN_FDNAMES`: one name a socket, several may share one.
    names: Vec<String>,
}

/// A socket that was handed over.
#[derive(Debug)]
pub(super) enum Handed {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Activation {
    /// Looks at the environment. Call it once, before there are threads: the variables are removed,
    /// so that programs which we start do not think that they are meant.
    pub fn from_environment() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.split(':').map(str::to_owned).collect();
        Self { sockets: ListenFd::from_env(), names }
    }

    /// Takes the first socket of that name that is still there, or the one of that number.
    pub(super) fn take(&mut self, name: &str) -> Result<Handed, String> {
        let count = self.sockets.len();
        let named = (0..count).filter(|at| self.names.get(*at).is_some_and(|known| known == name));
        let numbered = name.parse().ok().filter(|at| *at < count);
        for at in named.chain(numbered).collect::<Vec<_>>() {
            if let Ok(Some(listener)) = self.sockets.take_tcp_listener(at) {
                return Ok(Handed::Tcp(listener));
            }
            match self.sockets.take_unix_listener(at) {
                Ok(Some(listener)) => return Ok(Handed::Unix(listener)),
                Ok(None) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(match count {
            0 => "systemd handed no sockets over: is there a .socket unit?".to_owned(),
            _ => format!("no such socket is left; the names are {}", self.names.join(", ")),
        })
    }
}
