//! The web server, from the octets of a connection to their answers: whatever is asked, nothing panics,
//! no answer is a 500, each is hardened, and a name that is not ours never reads mail.

use std::{
    net::SocketAddr,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use smol::{
    Async,
    future::{self, yield_now},
    io::{AsyncReadExt, AsyncWriteExt},
};
use smtpd::{
    auth::{Auth, Mode},
    bus::{Bus, Event},
    config::Config,
    http::{self, Dependencies, HttpServer, Upstream, Upstreams},
    limits,
    mail::Mail,
    message::Scanner,
    net::Socket,
    policy::Policy,
    shutdown::Shutdown,
    store::{self, Kind, Store},
    wire::{Envelope, ForwardPath},
};

/// An even first octet: the rest is said as it is. An odd one: it is said under a foreign name.
pub fn run(octets: &[u8]) {
    let Some((&how, said)) = octets.split_first() else { return };
    let is_foreign = how & 1 == 1;
    let request = if is_foreign { foreign(said) } else { said.to_vec() };
    if request.len() > MOST {
        return;
    }
    static HOUSE: Mutex<Option<House>> = Mutex::new(None);
    let mut held = HOUSE.lock().expect("no panic before");
    let house = held.get_or_insert_with(|| House::new("[http]\npublic_hosts = [\"mail.example\"]"));
    let answer = house.answer(&request, is_foreign);
    check(&answer, is_foreign);
    // What was deleted is there again for the next one.
    let counts = smol::block_on(house.store.counts()).expect("counts");
    if counts.messages != MESSAGES.len() as u64 || counts.unread != counts.messages {
        *held = None;
    }
}

/// One request, whose Host is not ours whatever the other fields say.
fn foreign(said: &[u8]) -> Vec<u8> {
    let mut lines =
        said.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let first = if first.starts_with(b"/") { first } else { b"/api/messages" };
    let mut request = [b"GET ", first, b" HTTP/1.1\r\nHost: evil.example\r\n"].concat();
    let is_more = |line: &&[u8]| {
        let name = line.split(|octet| *octet == b':').next().unwrap_or_default();
        // A second Host is another question, and an end of the header another request.
        !line.is_empty() && !name.eq_ignore_ascii_case(b"host") && !line.contains(&b'\r')
    };
    for line in lines.filter(is_more) {
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

fn check(answer: &[u8], is_foreign: bool) {
    if answer.is_empty() {
        return;
    }
    let head = answer.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).expect("a status");
    assert!(!["500", "501", "502"].contains(&status), "{}", String::from_utf8_lossy(answer));
    // hyper answers by itself what is no HTTP, and 101 has no body to harden.
    if !["400", "431", "414", "101"].contains(&status) {
        let header =
            String::from_utf8_lossy(&answer[..answer.len().min(4_000)]).to_ascii_lowercase();
        for field in ["x-content-type-options: nosniff", "content-security-policy: "] {
            assert!(header.contains(field), "{header}");
        }
    }
    if is_foreign {
        assert!(["400", "421", "431", "414"].contains(&status), "{head}");
        let has_secret = answer.windows(SECRET.len()).any(|octets| octets == SECRET.as_bytes());
        assert!(!has_secret, "mail read under a foreign name: {}", String::from_utf8_lossy(answer));
    }
}

/// The web server with messages behind them.
pub struct House {
    web: HttpServer,
    store: Arc<dyn Store>,
}

impl House {
    /// As this configuration wants it.
    pub fn new(configuration: &str) -> Self {
        let loaded = Config::from_text("", configuration, []).expect("a configuration");
        let options = store::Options { kind: Kind::Memory, ..store::Options::default() };
        let store = store::open(&options).expect("a store");
        let bus = Bus::new(8);
        smol::block_on(fill(&*store, &bus));
        let web = HttpServer::new(Dependencies {
            mail: Mail::new(store.clone(), bus),
            auth: Arc::new(Auth::new(loaded.config.auth).expect("users")),
            metrics: Arc::default(),
            refusals: Arc::default(),
            options: loaded.config.http,
            limits: limits::Options::default(),
            store_kind: Kind::Memory,
            smtp: SocketAddr::from(([127, 0, 0, 1], 2525)),
            policy: Arc::new(Policy::new(loaded.config.policy).expect("a policy")),
            upstreams: Upstreams {
                direct: Some(Upstream {
                    address: SocketAddr::from(([127, 0, 0, 1], 2525)),
                    auth: Mode::AcceptAny,
                    auth_needs_tls: false,
                }),
                proxied: None,
            },
            pop3_upstreams: Upstreams::default(),
            started: Instant::now(),
            version: "0.0.0-fuzz",
            epoch: "epoch-1".into(),
            shutdown: Shutdown::new(),
        });
        Self { web, store }
    }

    /// All that comes back on a connection on which this was said. What is known to be a whole request
    /// is waited for; to wait for an answer to half of one would take its time from the next.
    pub fn answer(&self, request: &[u8], is_whole: bool) -> Vec<u8> {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let socket = Socket::Unix(Async::new(ours).expect("a socket"));
        let mut client = Async::new(theirs).expect("a socket");
        let serve = http::serve_connection(socket, None, None, &self.web);
        let talk = async {
            let _ = client.write_all(request).await;
            let (mut answer, mut buffer) = (Vec::new(), vec![0; 65_536]);
            // As long as something comes, and a while longer: to hang up ends what is not answered yet.
            let (mut quiet, begun) = (0, Instant::now());
            let waits = |heard: &[u8]| is_whole && heard.is_empty() && begun.elapsed() < PATIENCE;
            while quiet < TURNS || waits(&answer) {
                yield_now().await;
                quiet += 1;
                if let Some(Ok(count @ 1..)) = future::poll_once(client.read(&mut buffer)).await {
                    answer.extend_from_slice(&buffer[..count]);
                    quiet = 0;
                }
            }
            let _ = client.get_ref().shutdown(std::net::Shutdown::Write);
            let _ = client.read_to_end(&mut answer).await;
            answer
        };
        smol::block_on(future::zip(serve, talk)).1
    }
}

async fn fill(store: &dyn Store, bus: &Bus) {
    for message in MESSAGES {
        let mut scanner = Scanner::new(1 << 16);
        scanner.push(message.as_bytes());
        let mut draft = store.begin().await.expect("a draft");
        draft.write(message.as_bytes()).await.expect("a message");
        let envelope = Envelope {
            reverse_path: "ann@example.org".into(),
            forward_paths: vec![ForwardPath {
                address: "bob@b.example".into(),
                parameters: vec![],
            }],
            received_ms: 1_770_000_000_000,
            ..Envelope::default()
        };
        let record = draft.commit(envelope, scanner.finish().summary).await.expect("a commit");
        bus.publish(Event::New(record));
    }
}

/// Stands in every message.
pub const SECRET: &str = "Kassenbuch";

const MESSAGES: [&str; 3] = [
    "Subject: Kassenbuch\r\nFrom: Ann <ann@example.org>\r\n\r\nKassenbuch\r\n",
    "Subject: Kassenbuch two\r\nContent-Type: text/html\r\n\r\n<b>Kassenbuch</b><img src=http://x.example/>\r\n",
    "Subject: Kassenbuch three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\n\
     Content-Type: image/png\r\nContent-Disposition: attachment; filename=a.png\r\n\r\nKassenbuch\r\n--b--\r\n",
];

/// Octets that a socket takes without anybody reading.
const MOST: usize = 64 * 1024;

/// How often the server may go on without a word before the client hangs up.
const TURNS: usize = 100;

/// How long an answer may take that is waited for: some are made in another thread.
const PATIENCE: Duration = Duration::from_secs(10);
