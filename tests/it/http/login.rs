//! The login: what is closed, how one gets in, and how one is out again.

use std::{collections::BTreeMap, net::TcpStream, time::Duration};

use async_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};
use smol::{Async, stream::StreamExt};
use smtpd::{
    auth, http,
    http::{ApiToken, LoginMode, Options},
    seconds::Seconds,
};

use super::{Answer, Server, letter};
use crate::harness;

const PAGE: (&str, &str) = ("Accept", "text/html");
const TOKEN: &str = "ci-token-that-a-machine-made";
const READ_TOKEN: &str = "wall-token-that-a-machine-made";

fn options() -> Options {
    let tokens = |name: &str, token: &str| {
        BTreeMap::from([(name.to_owned(), ApiToken::try_from(token.to_owned()).unwrap())])
    };
    Options {
        login: LoginMode::Required,
        tokens: tokens("ci", TOKEN),
        read_tokens: tokens("wall", READ_TOKEN),
        ..Options::default()
    }
}

/// Ann with the password `geheim:%20&x=ä`, and failures that wait for nothing.
fn users() -> auth::Options {
    let secret = "geheim:%20&x=ä".to_owned().try_into().unwrap();
    let secrets = BTreeMap::from([("ann".to_owned(), secret)]);
    auth::Options { secrets, failure_seconds: 0, ..auth::Options::default() }
}

const FORM: &str = "user=ann&password=geheim%3A%2520%26x%3D%C3%A4";

/// What anybody may ask for.
const OPEN: [&str; 9] = [
    "/login",
    "/logout",
    "/livez",
    "/readyz",
    "/ping",
    "/auth-smtp",
    "/favicon.ico",
    "/static/{name}",
    "/static/{version}/{name}",
];

fn server() -> Server {
    Server::with(options(), users())
}

/// What the browser says on a page of ours.
fn origin(server: &Server) -> String {
    format!("http://{}", server.address)
}

/// The cookie of a new session, as a browser sends it.
fn log_in(server: &Server) -> String {
    let answer = server.client().post("/login", FORM).expect(303);
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

fn ask(server: &Server, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    server.client().request(method, path, fields, "")
}

#[test]
fn what_is_not_open_is_closed() {
    let server = server();
    let id = server.deliver("bob@example.com", &letter("Hi")).id;
    // Every route that there is, and some that are none: whoever adds one need not think of this.
    let router = std::fs::read_to_string(harness::file("src/http/router.rs")).unwrap();
    let routes = router.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let closed: Vec<_> = routes
        .map(|route| route.replace("{id}", &id.to_string()).replace("{part}", "0"))
        .chain(["/nothing/here".to_owned(), "/static/../api/messages".to_owned()])
        .filter(|path| !OPEN.contains(&path.as_str()))
        .collect();
    assert!(closed.len() > 20, "{closed:?}");
    for path in closed {
        let answer = server.get(&path).expect(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"smtpd\"", "{path}");
        assert!(!answer.text().contains("Hello Bob"), "{path}");
        let page = ask(&server, "GET", &path, &[PAGE]).expect(303);
        assert!(page.header("location").starts_with("/login"), "{path}");
        ask(&server, "GET", &path, &[PAGE, ("Sec-Fetch-Mode", "cors")]).expect(401);
        for method in ["POST", "DELETE", "PATCH", "PUT", "OPTIONS", "HEAD"] {
            ask(&server, method, &path, &[]).expect(401);
        }
    }
    let style = ask(&server, "GET", "/static/style.css", &[]).expect(200);
    assert!(!style.text().is_empty());
    for open in ["/login", "/livez", "/readyz", "/ping", "/favicon.ico", "/static/1/style.css"] {
        server.get(open).expect(200);
    }
    ask(&server, "GET", "/auth-smtp", &[]).expect(200);
    assert_eq!(server.shelf.records().len(), 1, "nothing was deleted");
}

#[test]
fn a_user_logs_in_and_out() {
    let server = server();
    server.deliver("bob@example.com", &letter("For Bob"));
    let page = ask(&server, "GET", "/?q=a%26b", &[PAGE]).expect(303);
    assert_eq!(page.header("location"), "/login?to=%2F%3Fq%3Da%2526b");
    let page = server.get(page.header("location")).expect(200);
    assert!(page.text().contains("name=\"to\" value=\"/?q=a%26b\""), "{}", page.text());

    let answer =
        server.client().post("/login", &format!("{FORM}&to=%2F%3Fq%3Da%2526b")).expect(303);
    assert_eq!(answer.header("location"), "/?q=a%26b");
    let cookie = answer.header("set-cookie");
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax");
    let (name, token) = pair.split_once('=').unwrap();
    assert_eq!(name, format!("smtpd-{}", server.address.port()));
    assert_eq!(token.len(), 43, "256 bits");
    let other = log_in(&server);
    assert_ne!(other, pair, "each session is another one");

    let inside = ask(&server, "GET", "/", &[PAGE, ("Cookie", pair)]).expect(200);
    assert!(inside.text().contains("For Bob") && inside.text().contains("action=\"/logout\""));
    assert_eq!(inside.header("cache-control"), "no-store");
    let again = ask(&server, "GET", "/login?to=/status", &[PAGE, ("Cookie", pair)]).expect(303);
    assert_eq!(again.header("location"), "/status");

    let out = server.client().request(
        "POST",
        "/logout",
        &[("Cookie", pair), ("Origin", &origin(&server))],
        "",
    );
    assert_eq!(
        out.expect(303).header("set-cookie"),
        format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
    );
    ask(&server, "GET", "/", &[("Cookie", pair)]).expect(401);
    ask(&server, "GET", "/", &[("Cookie", &other)]).expect(200);
}

#[test]
fn a_wrong_password_opens_nothing() {
    let server = server();
    for (form, user) in [
        ("user=ann&password=geheim", "value=\"ann\""),
        (
            "user=%22%3E%3Cb%3E&password=geheim%3A%2520%26x%3D%C3%A4",
            "value=\"&#34;&#62;&#60;b&#62;\"",
        ),
        ("user=&password=", "value=\"\""),
    ] {
        let answer = server.client().post("/login", form).expect(401);
        assert_eq!(answer.header("set-cookie"), "");
        assert!(answer.text().contains("The name or the password is wrong."));
        assert!(answer.text().contains(user), "{}", answer.text());
        assert!(!answer.text().contains("geheim"), "the password is not said again");
    }
    assert_eq!(server.metrics.logins_failed.value(), 3);
    for broken in ["", "user=ann", "user=ann&password=%FF%FE", "password=x&user"] {
        let status = server.client().post("/login", broken).status;
        assert!(matches!(status, 400 | 401), "{broken}: {status}");
    }
    let name = format!("smtpd-{}", server.address.port());
    for cookie in ["", "x", &"A".repeat(43), "%00", "\"", "AAAA; smtpd="] {
        ask(&server, "GET", "/", &[("Cookie", &format!("{name}={cookie}"))]).expect(401);
    }
}

#[test]
fn another_sites_page_does_nothing_with_our_cookie() {
    let server = server();
    let id = server.deliver("bob@example.com", &letter("Hi")).id;
    let (cookie, ours) = (log_in(&server), origin(&server));
    let act = |fields: &[(&str, &str)]| {
        let fields = [fields, &[("Cookie", cookie.as_str())]].concat();
        server.client().request("POST", &format!("/messages/{id}"), &fields, "action=star").status
    };
    let other_port = format!("http://127.0.0.1:{}", server.address.port().wrapping_add(1));
    for foreign in ["http://evil.example", "null", "http://localhost", &other_port] {
        assert_eq!(act(&[("Origin", foreign)]), 403, "{foreign}");
        let fields = [("Origin", foreign)];
        assert_eq!(
            server.client().request("POST", "/login", &fields, FORM).status,
            403,
            "{foreign}"
        );
        let fields = [("Origin", foreign), ("Cookie", &cookie)];
        assert_eq!(
            server.client().request("POST", "/logout", &fields, "").status,
            403,
            "{foreign}"
        );
    }
    for site in ["cross-site", "same-site", "nonsense"] {
        assert_eq!(act(&[("Sec-Fetch-Site", site), ("Origin", &ours)]), 403, "{site}");
    }
    // No browser of the last years leaves both out.
    assert_eq!(act(&[]), 403);
    assert!(!server.shelf.records()[0].starred);
    ask(&server, "GET", "/", &[("Cookie", &cookie)]).expect(200);
    assert_eq!(act(&[("Origin", &ours)]), 303);
    assert_eq!(act(&[("Sec-Fetch-Site", "same-origin")]), 303);
    assert!(server.shelf.records()[0].starred);
}

#[test]
fn after_the_login_one_stays_here() {
    let server = server();
    for to in [
        "%2F%2Fevil.example",
        "https%3A%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "%2Fx%0D%0ASet-Cookie%3A",
    ] {
        let answer = server.client().post("/login", &format!("{FORM}&to={to}")).expect(303);
        assert_eq!(answer.header("location"), "/", "{to}");
    }
}

#[test]
fn programs_come_in_with_a_token_or_a_password() {
    let server = server();
    let id = server.deliver("bob@example.com", &letter("Hi")).id;
    let with = |method, path: &str, field: &str| {
        ask(&server, method, path, &[("Authorization", field)]).status
    };
    let (write, read) = (format!("Bearer {TOKEN}"), format!("bearer  {READ_TOKEN}"));
    // base64 of `ann:geheim:%20&x=ä`, and of a wrong password.
    let (basic, wrong) = ("Basic YW5uOmdlaGVpbTolMjAmeD3DpA==", "Basic YW5uOmdlaGVpbQ==");
    let (raw, one) = (format!("/messages/{id}/raw"), format!("/api/messages/{id}"));
    for path in ["/", "/api/messages", &raw, &one, "/status"] {
        for good in [&write, &read, basic] {
            assert_eq!(with("GET", path, good), 200, "{path} {good}");
        }
    }
    // Who may only look leaves no trace of it.
    let opened = || server.shelf.records()[0].read;
    assert_eq!(with("GET", &format!("/messages/{id}"), &read), 200);
    assert_eq!(with("GET", &format!("/messages/{id}/source"), &read), 200);
    assert!(!opened());
    assert_eq!(with("GET", &format!("/messages/{id}"), &write), 200);
    assert!(opened());
    for bad in [wrong, "Basic", "Basic !", "Basic YW5u", "Bearer ", "Digest x", "Bearer sha256:00"]
    {
        assert_eq!(with("GET", &raw, bad), 401, "{bad}");
    }
    assert_eq!(with("DELETE", &one, &read), 403);
    assert_eq!(with("DELETE", "/api/messages?all=1", &read), 403);
    assert_eq!(server.shelf.records().len(), 1);
    assert_eq!(with("DELETE", &one, &write), 204);
    assert_eq!(with("DELETE", "/api/messages?all=1", basic), 200);
    // What is said wins over what the browser adds.
    let cookie = log_in(&server);
    ask(&server, "GET", "/", &[("Cookie", &cookie), ("Authorization", wrong)]).expect(401);
    // Where nobody is asked, nothing that is said matters.
    let open = Server::start();
    ask(&open, "GET", "/", &[("Authorization", wrong)]).expect(200);
    open.client().post("/login", FORM).expect(404);
    ask(&open, "GET", "/login", &[]).expect(303);
}

#[test]
fn guessing_ends_for_the_client_that_guesses() {
    let proxies = vec!["127.0.0.0/8".to_owned().try_into().unwrap()];
    let limits = auth::Options { failures: 3, user_failures: 5, ..users() };
    let server = Server::with(Options { proxies, ..options() }, limits);
    let attempt = |client: &str, form: &str| {
        server.client().request("POST", "/login", &[("X-Forwarded-For", client)], form)
    };
    attempt("192.0.2.9", FORM).expect(303);
    for _ in 0..3 {
        attempt("192.0.2.1", "user=ann&password=x").expect(401);
    }
    let late = attempt("192.0.2.1", FORM).expect(429);
    assert_eq!(late.header("retry-after"), "600");
    assert!(late.text().contains("Too many logins failed"));
    assert_eq!(
        attempt("6.6.6.6, 192.0.2.1", FORM).status,
        429,
        "what the client adds is not believed"
    );
    attempt("192.0.2.2", FORM).expect(303);
    // Guessing from many addresses ends, too, but not where ann was before.
    for client in ["192.0.2.3", "192.0.2.4"] {
        attempt(client, "user=ann&password=x").expect(401);
    }
    attempt("192.0.2.5", FORM).expect(429);
    attempt("192.0.2.9", FORM).expect(303);
    // By Basic it is no other.
    let basic =
        [("X-Forwarded-For", "192.0.2.1"), ("Authorization", "Basic YW5uOmdlaGVpbTolMjAmeD3DpA==")];
    ask(&server, "GET", "/", &basic).expect(429);
}

#[test]
fn a_failed_login_waits() {
    let limits = auth::Options { failure_seconds: 1, ..users() };
    let server = Server::with(options(), limits);
    let start = std::time::Instant::now();
    server.client().post("/login", "user=ann&password=x").expect(401);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn sessions_end_by_themselves_and_with_their_user() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |password: &str| {
        let keys = auth::Stored::scram(&smtpd::secret::Secret::new(password.to_owned())).unwrap();
        std::fs::write(file.path(), format!("bob:{}\n", String::from(keys))).unwrap();
    };
    write("old");
    let users = auth::Options { users_file: file.path().into(), ..users() };
    let brief = Options { session_idle_seconds: Seconds::new(2), ..options() };
    let server = Server::with(brief, users);
    let begin = |form: &str| {
        let answer = server.client().post("/login", form).expect(303);
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    };
    let status = |cookie: &str| ask(&server, "GET", "/", &[("Cookie", cookie)]).status;
    let (ann, bob) = (begin(FORM), begin("user=bob&password=old"));
    server.auth.reload().unwrap();
    assert_eq!((status(&ann), status(&bob)), (200, 200));
    write("new");
    server.auth.reload().unwrap();
    assert_eq!((status(&ann), status(&bob)), (200, 401), "another password");
    let bob = begin("user=bob&password=new");
    std::fs::write(file.path(), "").unwrap();
    server.auth.reload().unwrap();
    assert_eq!((status(&ann), status(&bob)), (200, 401), "gone");
    write("new");
    server.auth.reload().unwrap();
    assert_eq!(status(&bob), 401, "what ended does not begin again");
    std::thread::sleep(Duration::from_millis(2_100));
    assert_eq!(status(&ann), 401, "idle");
}

#[test]
fn behind_a_proxy_with_tls_the_cookie_is_for_tls_only() {
    let proxies = vec!["127.0.0.1".to_owned().try_into().unwrap()];
    let server = Server::with(Options { proxies, ..options() }, users());
    let https = ("X-Forwarded-Proto", "https");
    let answer = server.client().request("POST", "/login", &[https], FORM).expect(303);
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-smtpd-") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    ask(&server, "GET", "/", &[https, ("Cookie", pair)]).expect(200);
    ask(&server, "GET", "/", &[("Cookie", pair)]).expect(401);
    assert_eq!(answer.header("strict-transport-security"), "");
    // Nobody else is believed.
    let answer = self::server().client().request("POST", "/login", &[https], FORM).expect(303);
    assert!(answer.header("set-cookie").starts_with("smtpd-"));
}

#[test]
fn only_nginx_asks_who_may_log_in() {
    let nginx = [
        ("Auth-Method", "plain"),
        ("Auth-Protocol", "smtp"),
        ("Auth-User", "ann"),
        ("Auth-Pass", "geheim:%2520&x=\u{e4}"),
        ("Client-IP", "192.0.2.1"),
    ];
    let passed_on = [&nginx[..], &[("X-Forwarded-For", "192.0.2.1")]].concat();
    for server in [server(), Server::with(http::Options::default(), users())] {
        let answer = ask(&server, "GET", "/auth-smtp", &nginx).expect(200);
        assert_eq!(answer.header("auth-status"), "OK");
        assert_eq!(ask(&server, "GET", "/", &nginx).expect(200).header("auth-status"), "OK");
        ask(&server, "GET", "/auth-smtp", &passed_on).expect(403);
    }
    // At the root it is then somebody who wants the list, and is asked who.
    let answer = ask(&server(), "GET", "/", &passed_on).expect(401);
    assert_eq!(answer.header("auth-status"), "");
}

#[test]
fn pictures_in_the_frame_have_a_pass_of_their_own() {
    let server = server();
    let mail = b"From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n<img src=\"cid:dot@x\">\r\n\
        --b\r\nContent-Type: image/png\r\nContent-ID: <dot@x>\r\n\r\nPNG\r\n--b--\r\n";
    let id = server.deliver("bob@example.com", mail).id;
    let cookie = log_in(&server);
    let frame =
        ask(&server, "GET", &format!("/messages/{id}/frame"), &[("Cookie", &cookie)]).expect(200);
    let text = frame.text().replace("&amp;", "&");
    let start = text.find(&format!("/messages/{id}/parts/")).unwrap();
    let link = text[start..].split('"').next().unwrap();
    assert_eq!(server.get(link).expect(200).text(), "PNG");
    let (path, _) = link.split_once('?').unwrap();
    server.get(path).expect(401);
    let stamp = &link[link.find("pass=").unwrap()..];
    for other in ["parts/1?", "raw?", "frame?"] {
        server.get(&format!("/messages/{id}/{other}{stamp}")).expect(401);
    }
    server.get(&format!("/api/messages/{id}?{stamp}")).expect(401);
}

#[test]
fn the_live_feed_asks_and_ends_with_the_session() {
    smol::block_on(async {
        let server = server();
        let (cookie, ours) = (log_in(&server), origin(&server));
        let refused = |result: Result<Socket, Error>| match result {
            Err(Error::Http(answer)) => answer.status().as_u16(),
            _ => panic!("connected, or no answer"),
        };
        assert_eq!(refused(connect(&server, &[]).await), 401);
        assert_eq!(refused(connect(&server, &[("cookie", &cookie)]).await), 403);
        let foreign = [("cookie", cookie.as_str()), ("origin", "http://evil.example")];
        assert_eq!(refused(connect(&server, &foreign).await), 403);
        let bearer = format!("Bearer {READ_TOKEN}");
        let mut program = connect(&server, &[("authorization", &bearer)]).await.unwrap();
        let mut page = connect(&server, &[("cookie", &cookie), ("origin", &ours)]).await.unwrap();
        for socket in [&mut program, &mut page] {
            assert!(text(socket).await.contains("hello"));
        }

        let fields = [("Cookie", cookie.as_str()), ("Origin", &ours)];
        server.client().request("POST", "/logout", &fields, "").expect(303);
        server.deliver("bob@example.com", &letter("After the logout"));
        assert!(text(&mut program).await.contains("After the logout"));
        let Some(Ok(Message::Close(Some(frame)))) = page.next().await else {
            panic!("the page is told to go");
        };
        assert_eq!(u16::from(frame.code), 4401);
    });
}

type Socket = WebSocketStream<Async<TcpStream>>;

async fn connect(server: &Server, fields: &[(&'static str, &str)]) -> Result<Socket, Error> {
    let mut request = format!("ws://{}/ws", server.address).into_client_request()?;
    for (name, value) in fields {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let stream = Async::<TcpStream>::connect(server.address).await?;
    client_async(request, stream).await.map(|(socket, _)| socket)
}

async fn text(socket: &mut Socket) -> String {
    loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            return text.to_string();
        }
    }
}

#[test]
fn what_a_browser_keeps_ends_with_the_session() {
    let server = server();
    let id = server.deliver("bob@example.com", &letter("Hi")).id;
    let cookie = log_in(&server);
    for path in [format!("/messages/{id}/raw"), format!("/messages/{id}/parts/0")] {
        let first = ask(&server, "GET", &path, &[("Cookie", &cookie)]).expect(200);
        // Kept, but not shown without asking.
        assert_eq!(first.header("cache-control"), "private, no-cache", "{path}");
        let known = [("Cookie", cookie.as_str()), ("If-None-Match", first.header("etag"))];
        let again = ask(&server, "GET", &path, &known).expect(304);
        assert_eq!(again.header("cache-control"), "private, no-cache", "{path}");
        ask(&server, "GET", &path, &known[1..]).expect(401);
    }
    let open = Server::start();
    let id = open.deliver("bob@example.com", &letter("Hi")).id;
    let raw = open.get(&format!("/messages/{id}/raw")).expect(200);
    assert_eq!(raw.header("cache-control"), "private, max-age=3600");
}
