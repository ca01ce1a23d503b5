//! What an attacker sends to the web server: requests that two readers could understand in two ways,
//! names and origins that are not ours, paths that lead out, and answers that nobody asked for twice.

mod websocket;

use super::{Server, auth, letter};
use smtpd::http::Options;

/// Says this on a connection of its own; all that comes back.
fn ask(server: &Server, octets: &[u8]) -> String {
    let mut client = server.client();
    client.write(octets);
    client.rest()
}

/// The codes of the answers, in order.
fn codes(heard: &str) -> Vec<&str> {
    heard.split("HTTP/1.").skip(1).filter_map(|answer| answer.get(2..5)).collect()
}

/// So that what waits for more does not keep a test waiting.
fn start() -> Server {
    let options = Options { header_seconds: 1, body_seconds: 1, ..Options::default() };
    Server::with(options, auth::Options::default())
}

/// Behind each of these stands a request that is smuggled if anybody can be made to see it.
const SMUGGLED: &str = "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn a_length_that_can_be_read_in_two_ways_ends_the_connection() {
    let server = start();
    for field in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length:",
        "Content-Length: 5abc",
        "Content-Length: 5 5",
        "Content-Length: 99999999999999999999999",
        "Content-Length : 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding:\r\n chunked",
        "X: a\r\n b\r\nContent-Length: 5",
        "X: a\0b\r\nContent-Length: 5",
        "X: a\rContent-Length: 5",
        "X\r\nContent-Length: 5",
        ": x\r\nContent-Length: 5",
    ] {
        for body in ["a=b&c", "0\r\n\r\n"] {
            let head = format!("POST /messages HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n");
            let heard = ask(&server, format!("{head}{body}{SMUGGLED}").as_bytes());
            assert_eq!(codes(&heard), ["400"], "{field:?}: {heard}");
        }
    }
}

#[test]
fn a_chunk_that_can_be_read_in_two_ways_ends_the_connection() {
    let server = start();
    let head = "POST /messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = format!("5;{}\r\nx=y&z\r\n0\r\n\r\n", "a".repeat(20_000));
    let trailers = format!("0\r\n{}\r\n", "X: y\r\n".repeat(5_000));
    for chunks in [
        "+5\r\nx=y&z\r\n0\r\n\r\n",
        "-5\r\nx=y&z\r\n0\r\n\r\n",
        "0x5\r\nx=y&z\r\n0\r\n\r\n",
        " 5\r\nx=y&z\r\n0\r\n\r\n",
        "5\nx=y&z\n0\n\n",
        "5;a\nx=y&z\r\n0\r\n\r\n",
        "\r\nx=y&z\r\n0\r\n\r\n",
        "5\r\nx=y&zzzz\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nx=y&z\r\n0\r\n\r\n",
        &long,
        &trailers,
    ] {
        let heard = ask(&server, format!("{head}{chunks}{SMUGGLED}").as_bytes());
        assert_eq!(codes(&heard), ["400"], "{chunks:.60?}: {heard}");
    }
    // As long as a number can be: it is waited for in vain.
    let heard = ask(&server, format!("{head}FFFFFFFFFFFFFFFF\r\nx=y{SMUGGLED}").as_bytes());
    assert_eq!(codes(&heard), ["408"], "{heard}");
}

/// What stands inside a body is no request, whoever does or does not read that body.
#[test]
fn a_request_inside_a_body_is_not_answered() {
    let server = start();
    let length = SMUGGLED.len();
    for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
        let head = format!("{method} /livez HTTP/1.1\r\nHost: localhost\r\n");
        let whole = format!("{head}Content-Length: {length}\r\n\r\n{SMUGGLED}");
        let chunk = format!("{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}");
        for request in [whole, chunked] {
            let heard = ask(&server, request.as_bytes());
            assert_eq!(codes(&heard).len(), 1, "{request}: {heard}");
            assert!(!heard.contains("pong"), "{request}: {heard}");
        }
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let server = start();
    let fields = "X: y\r\n".repeat(65);
    let long = "a".repeat(20_000);
    for (request, code) in [
        ("GET /ping\r\n", "400"),
        ("GET /ping HTTP/1.2\r\nHost: localhost\r\n\r\n", "400"),
        ("GET /ping http/1.1\r\nHost: localhost\r\n\r\n", "400"),
        ("GET  /ping HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"),
        ("GET\t/ping HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"),
        ("GET /ping HTTP/1.1\r\n\r\n", "400"),
        ("EHLO a\r\nMAIL FROM:<a@b>\r\n", "400"),
        ("\u{16}\u{3}\u{1}\0\u{5}hello", "400"),
        ("CONNECT localhost:25 HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
        ("TRACE / HTTP/1.1\r\nHost: localhost\r\nX-Secret: x\r\n\r\n", "405"),
        (&format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), "431"),
        (&format!("GET /ping HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"), "431"),
        (&format!("GET /ping HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"), "431"),
    ] {
        let heard = ask(&server, request.as_bytes());
        assert_eq!(codes(&heard), [code], "{request:.60}: {heard}");
        assert!(!heard.contains("X-Secret"), "{heard}");
    }
}

#[test]
fn a_forged_name_reads_and_changes_nothing() {
    let server = start();
    server.deliver("bob@example.com", &letter("Kassenbuch"));
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:10025",
        "localhost@evil.example",
        "evil.example@localhost",
        "localhost evil.example",
        "localhost\r\nHost: evil.example",
        "[::1",
        "",
    ] {
        for request in ["GET /", "GET /api/messages", "DELETE /api/messages", "GET /ws"] {
            let others = "X-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\n";
            let head = format!("{request} HTTP/1.1\r\nHost: {host}\r\n{others}\r\n");
            let heard = ask(&server, head.as_bytes());
            let code = codes(&heard);
            assert!(matches!(code[..], ["400" | "421"]), "{host:?}: {heard}");
            assert!(!heard.contains("Kassenbuch"), "{host:?}: {heard}");
        }
    }
    // In the target, where it counts more than Host (RFC 9112 section 3.2.2).
    let heard = ask(&server, b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(codes(&heard), ["421"], "{heard}");
    assert_eq!(server.shelf.records().len(), 1);
}

#[test]
fn another_sites_page_changes_nothing() {
    let server = start();
    let id = server.deliver("bob@example.com", &letter("stays")).id;
    let here = format!("http://{}", server.address);
    for (field, value) in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost.evil.example"),
        ("Origin", &format!("{here}.evil.example")),
        ("Origin", &format!("http://evil.example/{here}")),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Site", "nonsense"),
    ] {
        let foreign = [(field, value)];
        for (method, path) in [
            ("POST", "/messages".to_owned()),
            ("POST", format!("/messages/{id}")),
            ("DELETE", "/api/messages?all=1".to_owned()),
            ("DELETE", format!("/api/messages/{id}")),
            ("PATCH", format!("/api/messages/{id}")),
        ] {
            let answer = server.client().request(method, &path, &foreign, "action=delete");
            assert_eq!(answer.status, 403, "{method} {path} {field}: {value}");
        }
    }
    let records = server.shelf.records();
    assert!(records.len() == 1 && !records[0].read, "{records:?}");
}

#[test]
fn no_path_leads_out() {
    let server = start();
    for path in [
        "/static/../Cargo.toml",
        "/static/..%2f..%2fCargo.toml",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/%2e%2e%2fstyle.css",
        "/static/..%5c..%5cCargo.toml",
        "/static/..%252f..%252fCargo.toml",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/style.css%00",
        "/static/%ff",
        "//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/messages/../status",
        "/messages/..%2f..%2fdata%2fsmtpd.db/raw",
        "/messages/%2e%2e/parts/0",
        "/messages/0/parts/-1",
        "/messages/0/parts/99999999999999999999",
    ] {
        let answer = server.get(path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("root:") && !text.contains("[package]"), "{path}: {text}");
    }
}

#[test]
fn head_is_get_without_the_body() {
    let server = start();
    let id = server.deliver("bob@example.com", &letter("head")).id;
    for path in ["/", "/ping", "/status", "/static/style.css", "/api/messages", "/nothing"]
        .map(str::to_owned)
        .into_iter()
        .chain(["", "/raw", "/parts/0", "/frame"].map(|tail| format!("/messages/{id}{tail}")))
    {
        let mut client = server.client();
        let head = client.request("HEAD", &path, &[], "");
        // On the same connection: a body behind the head would be taken for this answer.
        let get = client.get(&path);
        assert_eq!(head.status, get.status, "{path}");
        for field in ["content-type", "etag", "content-security-policy", "x-content-type-options"] {
            assert_eq!(head.header(field), get.header(field), "{path}: {field}");
        }
        assert!(head.body.is_empty(), "{path}");
    }
}

/// One range is answered, more are not: a thousand of them would be an answer a thousand times as long.
#[test]
fn ranges_make_no_answer_longer() {
    let server = start();
    let octets = letter(&"long ".repeat(2_000));
    let id = server.deliver("bob@example.com", &octets).id;
    let all = vec!["0-"; 1_000].join(",");
    let overlapping = (0..1_000).map(|at| format!("{at}-")).collect::<Vec<_>>().join(",");
    for range in [all.as_str(), &overlapping, "0-0,-1", "-0,0-0", "5-2", "a-b", "+0-1", "0-1;2-3"] {
        let fields = [("Range", &*format!("bytes={range}"))];
        for tail in ["raw", "parts/0"] {
            let path = format!("/messages/{id}/{tail}");
            let whole = server.get(&path).expect(200).body;
            let answer = server.client().request("GET", &path, &fields, "").expect(200);
            assert!(answer.body == whole, "{tail} {range:.40}");
        }
    }
    // An attachment is decoded as it is sent, so a range of it is not cut out: all or an exact piece.
    let fields = [("Range", "bytes=0-4")];
    let path = format!("/messages/{id}/parts/0");
    let (whole, answer) = (server.get(&path), server.client().request("GET", &path, &fields, ""));
    match answer.status {
        200 => assert!(answer.body == whole.body),
        206 => assert!(answer.body == whole.body[..5]),
        other => panic!("{other}"),
    }
}
