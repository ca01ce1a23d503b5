//! What this process may do to the machine, and the machine to it: its memory in no file, its files for
//! nobody else, and no more rights than mail needs.
//!
//! The danger is a drop of privileges that only seems to work: a call that changes one thread of ten, a
//! group that stays. So afterwards the kernel is asked about every thread, and what it says decides.

use std::{ffi::CString, fs, os::unix::fs::chown, path::Path};

use nix::{
    sys::{
        prctl,
        resource::{Resource, setrlimit},
        stat::{Mode, umask},
    },
    unistd::{Gid, Group, Uid, User, getgrouplist, gethostname, setgroups, setresgid, setresuid},
};
use serde::{Deserialize, Serialize};

/// `[server]`: the process itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Who the process becomes once its listeners are bound, if it was started as root: a name or a number.
    /// Empty: it stays who it is.
    pub user: String,
    /// The group of that user, if it is to be another than its own.
    pub group: String,
    /// Threads that serve connections; 0 for one less than there are cores, and at least one.
    pub threads: usize,
    /// Longest wait for sessions under way when smtpd is told to end, in seconds.
    pub drain_seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { user: String::new(), group: String::new(), threads: 0, drain_seconds: 10 }
    }
}

/// Whom the process becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    uid: Uid,
    gid: Gid,
    /// Whose further groups are taken; none for a number that no user has.
    name: Option<CString>,
}

/// Keeps the memory of this process out of files, and everybody else out of what it makes, whatever umask
/// it was started with. Call it first. The error is for people.
pub fn harden() -> Result<(), String> {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    setrlimit(Resource::RLIMIT_CORE, 0, 0)
        .map_err(|error| format!("core dumps cannot be forbidden: {error}"))?;
    // A core that goes to a program knows no limit; and nobody of the same user may read our memory.
    prctl::set_dumpable(false).map_err(|error| format!("core dumps cannot be forbidden: {error}"))
}

/// The host name, for a banner when none is configured.
pub fn host_name() -> String {
    gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// True if this process may do everything.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

impl Identity {
    /// Looks up `server.user` and `server.group`, each a name or a number; None if there is no user. The
    /// error is one line for people.
    pub fn find(user: &str, group: &str) -> Result<Option<Self>, String> {
        if user.is_empty() {
            return match group {
                "" => Ok(None),
                _ => Err("server.group: expected server.user, too".into()),
            };
        }
        let failed = |key, why: String| Err(format!("server.{key}: {why}"));
        let found = match user.parse() {
            Ok(uid) => User::from_uid(Uid::from_raw(uid)),
            Err(_) => User::from_name(user),
        };
        let mut identity = match (found, user.parse::<u32>()) {
            (Ok(Some(it)), _) => {
                Self { uid: it.uid, gid: it.gid, name: CString::new(it.name).ok() }
            }
            (Ok(None), Ok(number)) => {
                Self { uid: Uid::from_raw(number), gid: Gid::from_raw(number), name: None }
            }
            (Ok(None), Err(_)) => return failed("user", format!("there is no user {user}")),
            (Err(error), _) => return failed("user", format!("cannot look up {user}: {error}")),
        };
        if !group.is_empty() {
            identity.gid = match (group.parse(), Group::from_name(group)) {
                (Ok(gid), _) => Gid::from_raw(gid),
                (_, Ok(Some(it))) => it.gid,
                (_, Ok(None)) => return failed("group", format!("there is no group {group}")),
                (_, Err(error)) => {
                    return failed("group", format!("cannot look up {group}: {error}"));
                }
            };
        }
        if identity.uid.is_root() {
            return failed("user", "expected a user who is not root".into());
        }
        Ok(Some(identity))
    }

    /// Gives a file that was made as root to whom we become.
    pub fn own(&self, path: &Path) -> Result<(), String> {
        chown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw()))
            .map_err(|error| format!("{}: cannot be given to server.user: {error}", path.display()))
    }

    /// Makes the whole process that user, for good; the error is one line for people.
    pub fn assume(&self) -> Result<(), String> {
        if !is_root() {
            return match Uid::effective() == self.uid {
                true => Ok(()),
                false => Err("server.user: only root can become somebody else".into()),
            };
        }
        let failed = |error| format!("server.user: privileges cannot be dropped: {error}");
        let groups = match &self.name {
            Some(name) => getgrouplist(name, self.gid).map_err(failed)?,
            None => vec![self.gid],
        };
        // In this order: whoever is no longer root cannot change groups.
        setgroups(&groups)
            .and_then(|()| setresgid(self.gid, self.gid, self.gid))
            .and_then(|()| setresuid(self.uid, self.uid, self.uid))
            // The kernel decides anew who may see the memory of a process that changed its user.
            .and_then(|()| prctl::set_dumpable(false))
            .map_err(failed)?;
        self.verify(&groups)
            .map_err(|why| format!("server.user: privileges were not dropped: {why}"))
    }

    /// Asks the kernel about every thread, and whether root can be had back.
    fn verify(&self, groups: &[Gid]) -> Result<(), String> {
        let unknown = |error: std::io::Error| format!("{THREADS} cannot tell: {error}");
        let expected = [
            ("Uid:", vec![self.uid.as_raw(); 4]),
            ("Gid:", vec![self.gid.as_raw(); 4]),
            ("Groups:", groups.iter().map(|group| group.as_raw()).collect()),
            // No capability is left.
            ("CapPrm:", vec![0]),
        ];
        for thread in fs::read_dir(THREADS).map_err(unknown)? {
            let path = thread.map_err(unknown)?.path().join("status");
            // A thread that has ended meanwhile has no rights.
            let Ok(status) = fs::read_to_string(path) else { continue };
            for (key, numbers) in &expected {
                let line = status.lines().find_map(|line| line.strip_prefix(key));
                let line = line.unwrap_or_default();
                let mut found: Vec<u32> =
                    line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
                let mut expected = numbers.clone();
                found.sort_unstable();
                expected.sort_unstable();
                if found != expected {
                    return Err(format!("a thread has {key}{line}"));
                }
            }
        }
        match setresuid(ROOT, ROOT, ROOT) {
            Ok(()) => Err("root can be had back".into()),
            Err(_) => Ok(()),
        }
    }
}

/// Where the kernel tells of our threads.
const THREADS: &str = "/proc/self/task";
const ROOT: Uid = Uid::from_raw(0);
