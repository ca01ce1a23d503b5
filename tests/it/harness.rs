//! Starts the real binary on free ports and talks to it; ends it by its own pid.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// The program.
pub(crate) const SMTPD: &str = env!("CARGO_BIN_EXE_smtpd");

/// A running smtpd with a folder of its own.
pub(crate) struct Server {
    child: Child,
    pub(crate) smtp: SocketAddr,
    pub(crate) http: SocketAddr,
    /// What it said at the start: its version, and then the address of each listener.
    announced: Vec<String>,
    pub(crate) folder: PathBuf,
    // Removed when the last server on it is dropped by the test.
    _temporary: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts on an empty folder.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut server = Self::start_in(temporary.path(), environment);
        server._temporary = Some(temporary);
        server
    }

    /// Starts with this configuration file on an empty folder.
    pub(crate) fn configured(text: &str) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::write(temporary.path().join("smtpd.toml"), text).unwrap();
        let mut server = Self::start_in(temporary.path(), &[("SMTPD_CONFIG", "smtpd.toml")]);
        server._temporary = Some(temporary);
        server
    }

    /// Starts on a folder that stays; its log is appended to `smtpd.log` there.
    pub(crate) fn start_in(folder: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_by(Command::new(SMTPD), folder, environment)
    }

    /// Starts on an empty folder with room for so many open files.
    pub(crate) fn start_with_files(files: u32, environment: &[(&str, &str)]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\""), SMTPD]);
        let mut server = Self::start_by(shell, temporary.path(), environment);
        server._temporary = Some(temporary);
        server
    }

    /// Starts on a folder that stays, by a command that becomes smtpd.
    pub(crate) fn start_by(
        mut program: Command,
        folder: &Path,
        environment: &[(&str, &str)],
    ) -> Self {
        let log = File::options().create(true).append(true).open(folder.join("smtpd.log")).unwrap();
        let mut child = program
            .current_dir(folder)
            .env("SMTPD_SMTP_LISTEN", "127.0.0.1:0")
            .env("SMTPD_HTTP_LISTEN", "127.0.0.1:0")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut announced = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split_whitespace().collect();
            announced.extend(words.last().map(|url| url.trim_end_matches('/').to_owned()));
            if line.contains("Web UI") {
                break;
            }
        }
        let address = |schemes: &[&str]| {
            let address = |url: &String| {
                schemes.iter().find_map(|scheme| url.strip_prefix(scheme)?.parse().ok())
            };
            announced.iter().find_map(address)
        };
        let Some(http) = address(&["http://", "https://"]) else {
            panic!("it did not start: {}", read_log(folder));
        };
        // A server without SMTP in clear has no address for it.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let smtp = address(&["smtp://"]).unwrap_or(nowhere);
        Self { child, smtp, http, announced, folder: folder.to_owned(), _temporary: None }
    }

    /// The first address of this scheme, such as `pop3://`.
    pub(crate) fn address(&self, scheme: &str) -> SocketAddr {
        let address = self.announced.iter().find_map(|url| url.strip_prefix(scheme));
        address.unwrap_or_else(|| panic!("no {scheme} in {:?}", self.announced)).parse().unwrap()
    }

    /// The address of the listener of this number, counted from 0 in the order of the configuration.
    pub(crate) fn listener(&self, number: usize) -> SocketAddr {
        // The version goes first.
        let url = &self.announced[number + 1];
        let (_, address) = url.split_once("://").unwrap();
        address.parse().unwrap()
    }

    /// Files and sockets that it has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Octets of memory that it has in use.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Processor time that it has used, all threads together.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        // utime and stime, proc(5), in ticks of 10 ms.
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL, as a crash would, and waits for the end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for an end that was asked for already; true if it was a success.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    pub(crate) fn log(&self) -> String {
        read_log(&self.folder)
    }

    /// The body of a GET that must succeed.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        let (status, body) = self.request("GET", path);
        assert_eq!(status, 200, "GET {path}: {}", String::from_utf8_lossy(&body));
        body
    }

    /// Status and body of a request without a body.
    pub(crate) fn request(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!("{method} {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.http);
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
        (status, answer.split_off(end + 4))
    }

    /// The JSON list of messages, newest first.
    pub(crate) fn messages(&self, query: &str) -> Vec<serde_json::Value> {
        let body = self.get(&format!("/api/messages?{query}"));
        let mut json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        match json["messages"].take() {
            serde_json::Value::Array(messages) => messages,
            other => panic!("no messages in the answer: {other}"),
        }
    }

    /// The envelope of the newest message with this subject.
    pub(crate) fn envelope(&self, subject: &str) -> serde_json::Value {
        let messages = self.messages("limit=500");
        let message = messages.iter().find(|message| message["subject"] == subject);
        let message = message.unwrap_or_else(|| panic!("no {subject:?} in {messages:?}"));
        let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
        let mut json: serde_json::Value = serde_json::from_slice(&self.get(&path)).unwrap();
        json["envelope"].take()
    }

    /// The client that is recorded with the newest message of this subject; empty for none.
    pub(crate) fn client_of(&self, subject: &str) -> String {
        self.envelope(subject)["client"].as_str().unwrap_or_default().to_owned()
    }

    /// The octets of the only message with this subject.
    pub(crate) fn raw_of(&self, subject: &str) -> Vec<u8> {
        let messages = self.messages("limit=500");
        let mut found = messages.iter().filter(|message| message["subject"] == subject);
        let id =
            found.next().unwrap_or_else(|| panic!("no {subject:?} in {messages:?}"))["id"].clone();
        assert!(found.next().is_none(), "{subject:?} is stored twice");
        self.get(&format!("/messages/{}/raw", id.as_str().unwrap()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the server ---\n{}", read_log(&self.folder));
        }
    }
}

/// One client connection, line by line.
pub(crate) struct Client<S = TcpStream> {
    reader: BufReader<S>,
}

impl Client {
    /// Connects and reads the greeting.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let mut client = Self::over(connect(address));
        assert!(client.reply().unwrap().starts_with("220 "));
        client
    }
}

/// A connection that does not wait for ever.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

impl<S: io::Read + io::Write> Client<S> {
    /// A client on a connection that is there, before the greeting.
    pub(crate) fn over(stream: S) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    /// The connection, for something else to go on with.
    pub(crate) fn into_stream(self) -> S {
        self.reader.into_inner()
    }

    pub(crate) fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(octets)
    }

    /// The next reply, all its lines.
    pub(crate) fn reply(&mut self) -> io::Result<String> {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            if self.reader.read_line(&mut reply)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if reply.as_bytes().get(start + 3) != Some(&b'-') {
                return Ok(reply);
            }
        }
    }

    /// Sends a line and returns the reply.
    pub(crate) fn say(&mut self, line: &str) -> io::Result<String> {
        self.send(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Sends one message after EHLO; the reply to its end of data.
    pub(crate) fn mail(&mut self, body: &str) -> io::Result<String> {
        let to = format!(
            "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n{body}\r\n.\r\n"
        );
        self.send(to.as_bytes())?;
        for expected in ["250", "250", "354"] {
            let reply = self.reply()?;
            if !reply.starts_with(expected) {
                return Err(io::Error::other(reply));
            }
        }
        self.reply()
    }
}

/// Sends a signal to one process.
pub(crate) fn signal(pid: u32, name: &str) {
    let status =
        Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits until `holds`, at most `seconds`.
pub(crate) fn eventually(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        assert!(Instant::now() < end, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ports that nobody uses at this moment.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Runs a program that must succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// True if all these programs are there. Otherwise says loudly that a part was not tested; where
/// everything must be there (`TEST_EVERYTHING=1`, as in CI), it fails.
pub(crate) fn have(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| !exists(program)).collect();
    if missing.is_empty() {
        return true;
    }
    not_tested(&format!("missing {missing:?}"));
    false
}

/// True for root. Otherwise says so, as [`have`] does.
pub(crate) fn am_root() -> bool {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
    if !is_root {
        not_tested("needs root");
    }
    is_root
}

/// Says loudly that something was not tested, and fails where everything must be.
pub(crate) fn not_tested(why: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    assert!(std::env::var_os("TEST_EVERYTHING").is_none(), "{test}: {why}");
    // Written past the capture of the test harness: nobody should think that this was tested.
    let _ = writeln!(io::stderr(), "\n*** NOT TESTED: {test}: {why} ***");
}

fn exists(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).exists();
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .chain(["/usr/sbin", "/usr/lib/postfix/sbin"].map(PathBuf::from))
        .any(|folder| folder.join(program).exists())
}

/// A file of the repository.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read_log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("smtpd.log")).unwrap_or_default()
}

/// The processor's time that this thread has had: what a busy machine makes wait does not count.
pub(crate) fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}
