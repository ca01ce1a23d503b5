//! Starts real mongods on free ports, in temporary folders; they end with the test process.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use mongodb::{
    Client,
    bson::{Document, doc},
    options::ClientOptions,
};
use smtpd::store::{Kind, MongoOptions, Options};

use crate::harness;

/// A running mongod.
pub(crate) struct Mongod {
    pub(crate) port: u16,
    pub(crate) pid: u32,
    shell: Child,
    /// When this closes, as it does when the test process ends however it ends, mongod is killed.
    _alive: ChildStdin,
    _folder: tempfile::TempDir,
}

impl Mongod {
    /// One by itself, or a member of a set that is still to be initiated. None if there is no mongod, and
    /// then it is told loudly.
    pub(crate) fn start(replica_set: Option<&str>) -> Option<Self> {
        let program = program()?;
        let [port] = harness::free_ports();
        let folder = tempfile::tempdir().unwrap();
        let mut arguments = vec![
            "--dbpath".to_owned(),
            folder.path().display().to_string(),
            "--logpath".into(),
            folder.path().join("log").display().to_string(),
            "--port".into(),
            port.to_string(),
            "--bind_ip".into(),
            "127.0.0.1".into(),
            "--wiredTigerCacheSizeGB".into(),
            "0.25".into(),
            "--setParameter".into(),
            "diagnosticDataCollectionEnabled=false".into(),
        ];
        if let Some(name) = replica_set {
            arguments.extend(["--replSet", name, "--oplogSize", "200"].map(str::to_owned));
        }
        let script = r#""$0" "$@" >/dev/null & pid=$!; echo $pid; read -r _; kill -KILL $pid"#;
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .arg(program)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let alive = shell.stdin.take().unwrap();
        let pid = line.trim().parse().unwrap();
        let mongod = Self { port, pid, shell, _alive: alive, _folder: folder };
        let end = Instant::now() + Duration::from_secs(60);
        while mongod.command(doc! { "ping": 1 }).is_err() {
            assert!(Instant::now() < end, "mongod does not answer");
        }
        Some(mongod)
    }

    /// A command to this very mongod.
    pub(crate) fn command(&self, command: Document) -> mongodb::error::Result<Document> {
        let uri = format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port);
        block_on(async {
            let mut options = ClientOptions::parse(uri).await?;
            options.server_selection_timeout = Some(Duration::from_secs(2));
            options.connect_timeout = Some(Duration::from_secs(2));
            let client = Client::with_options(options)?;
            let admin = client.database("admin");
            let asked = tokio::time::timeout(Duration::from_secs(30), admin.run_command(command));
            asked.await.unwrap_or_else(|_| {
                Err(mongodb::error::Error::custom("no answer in time".to_owned()))
            })
        })
    }

    /// Sends a signal to it.
    pub(crate) fn signal(&self, name: &str) {
        harness::signal(self.pid, name);
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.pid.to_string()]).status();
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// A set of mongods.
pub(crate) struct ReplicaSet {
    pub(crate) members: Vec<Mongod>,
}

impl ReplicaSet {
    /// A set of so many members, with a primary.
    pub(crate) fn start(members: usize) -> Option<Self> {
        let members: Option<Vec<_>> = (0..members).map(|_| Mongod::start(Some("tests"))).collect();
        let set = Self { members: members? };
        let list: Vec<_> = (0_i32..)
            .zip(&set.members)
            .map(|(id, member)| doc! { "_id": id, "host": format!("127.0.0.1:{}", member.port) })
            .collect();
        let config = doc! { "_id": "tests", "members": list };
        set.members[0].command(doc! { "replSetInitiate": config }).unwrap();
        harness::eventually(60, "a primary", || set.primary().is_some());
        Some(set)
    }

    /// The member that says that it is the primary.
    pub(crate) fn primary(&self) -> Option<&Mongod> {
        self.members.iter().find(|member| {
            let hello = member.command(doc! { "hello": 1 });
            hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
        })
    }

    pub(crate) fn uri(&self) -> String {
        let hosts: Vec<_> =
            self.members.iter().map(|member| format!("127.0.0.1:{}", member.port)).collect();
        format!("mongodb://{}/?replicaSet=tests", hosts.join(","))
    }
}

/// An empty database on the set that all tests of this process share; removed when it is dropped.
pub(crate) struct Database {
    pub(crate) uri: String,
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn new() -> Option<Self> {
        static SET: OnceLock<Option<ReplicaSet>> = OnceLock::new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let set = SET.get_or_init(|| ReplicaSet::start(1)).as_ref()?;
        let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Some(Self { uri: set.uri(), name })
    }

    /// A database on a server of one's own.
    pub(crate) fn on(uri: String, name: &str) -> Self {
        Self { uri, name: name.to_owned() }
    }

    /// Leaves it to the end of its server.
    pub(crate) fn forget(self) {
        std::mem::forget(self);
    }

    /// The options of a store in it.
    pub(crate) fn options(&self) -> Options {
        Options {
            kind: Kind::Mongodb,
            mongodb: MongoOptions {
                uri: self.uri.clone().into(),
                database: self.name.clone(),
                ..MongoOptions::default()
            },
            ..Options::default()
        }
    }

    /// Large bodies, besides those of deleted messages.
    pub(crate) fn bodies(&self) -> usize {
        self.with(async |database| {
            let files = database.collection::<Document>("bodies.files");
            let alive = doc! { "metadata.doomed": { "$exists": false } };
            files.count_documents(alive).await.unwrap() as usize
        })
    }

    /// Does something with it by another client.
    pub(crate) fn with<T>(&self, work: impl AsyncFnOnce(mongodb::Database) -> T) -> T {
        block_on(async {
            let client = Client::with_uri_str(&self.uri).await.unwrap();
            work(client.database(&self.name)).await
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.with(async |database| database.drop().await.unwrap());
        }
    }
}

/// The driver wants tokio.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// The path of a mongod, see tests/mongod.sh.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<std::path::PathBuf>> = OnceLock::new();
    let found = PROGRAM.get_or_init(|| {
        let output = Command::new(harness::file("tests/mongod.sh")).stdin(Stdio::null()).output();
        let output = output.unwrap();
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && Path::new(&path).exists() {
            return Some(path.into());
        }
        let _ = std::io::stderr().write_all(&output.stderr);
        None
    });
    match found {
        Some(path) => Some(path),
        None => {
            assert!(!harness::have(&["mongod"]), "tests/mongod.sh does not find it");
            None
        }
    }
}
