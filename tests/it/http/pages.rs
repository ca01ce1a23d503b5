//! Pages, forms, guards, our own files, status.

use std::io::Read;

use smtpd::http::Options;

use super::{Server, auth, letter};

const HTML: &[u8] = b"From: a@example.org\r\nSubject: <b>&\"'\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/html; charset=utf-8\r\n\r\n<p>Hello <script>alert(1)</script>\r\n";

#[test]
fn an_empty_store_tells_how_to_begin() {
    let server = Server::start();
    let page = server.get("/").expect(200);
    assert!(page.text().contains("No mail yet"));
    // SMTP listens everywhere, so the name that the browser uses is good.
    assert!(page.text().contains("swaks --server 127.0.0.1:2525"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("cache-control"), "no-store");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    for inline in ["<style", " style=", "onclick", "<script>"] {
        assert!(!page.text().contains(inline), "{inline}");
    }
}

#[test]
fn the_list_is_paged_newest_first() {
    let server = Server::start();
    for number in 0..120 {
        server.deliver("bob@example.com", &letter(&format!("number {number:03}.")));
    }
    let mut path = "/?mailbox=Bob%40example.com".to_owned();
    let mut seen = Vec::new();
    for count in [50, 50, 20] {
        let page = server.get(&path).expect(200);
        let subjects = page.text().split("number ").skip(1).map(|rest| rest[..3].to_owned());
        let subjects: Vec<_> = subjects.collect();
        assert_eq!(subjects.len(), count);
        seen.extend(subjects);
        let next = page.text().split("rel=\"next\" href=\"").nth(1);
        path = next
            .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"))
            .unwrap_or_default();
        path = path.replace("&#38;", "&");
    }
    assert_eq!(path, "");
    assert!(seen.is_sorted_by(|a, b| a > b) && seen.len() == 120);
    assert!(server.get("/?mailbox=nobody%40example.com").text().contains("Nothing here"));
    server.get("/?before=zzz").expect(400);
    assert!(server.get("/?q=larger%3Aelephant").expect(400).text().contains("cannot be read"));
    server.get("/delete?q=larger%3Aelephant").expect(400);
}

#[test]
fn hostile_text_stays_text() {
    let server = Server::start();
    let id = server.deliver("\"<img>\"@example.com", HTML).id;
    for path in ["".to_owned(), format!("messages/{id}"), format!("messages/{id}/source")] {
        let page = server.get(&format!("/{path}")).expect(200);
        for raw in ["<b>&\"'", "<img>", "<script>alert"] {
            assert!(!page.text().contains(raw), "{path}: {raw}");
        }
    }
}

#[test]
fn every_tab_has_its_address() {
    let server = Server::start();
    let id = server.deliver("bob@example.com", &letter("Hi")).id;
    let tab = |name: &str| server.get(&format!("/messages/{id}{name}")).expect(200);
    assert!(tab("").text().contains("Hello Bob."));
    assert!(tab("/text").text().contains("Hello Bob."));
    assert!(tab("/html").text().contains("This message has no HTML."));
    assert!(tab("/source").text().contains("Subject: Hi\r\n"));
    assert!(tab("/headers").text().contains("<th scope=\"row\">Subject</th><td>Hi</td>"));
    assert!(tab("/parts").text().contains("text/plain"));
    let with_html = server.deliver("bob@example.com", HTML).id;
    let page = server.get(&format!("/messages/{with_html}")).expect(200);
    assert!(page.text().contains(&format!("src=\"/messages/{with_html}/frame\"")));
    assert!(page.text().contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""));
}

#[test]
fn what_else_there_is_to_see() {
    let server = Server::start();
    let mail =
        b"From: a@example.org\r\nSubject: Your code is 493 207\r\nX-Long: first\r\n second\r\n\
        MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
        <p><a href=\"https://evil.example/\">https://bank.example/</a> <b>x</b>\
        <img src=\"http://a.example/o.gif?u=bob@example.com\" width=1>\r\n";
    let id = server.deliver("bob@example.com", mail).id;
    let tab =
        |name: &str| server.get(&format!("/messages/{id}{name}")).expect(200).text().to_owned();
    assert!(tab("").contains("<code>493207</code>"));
    assert!(tab("/links").contains("leads to evil.example, which its words do not say"));
    assert!(tab("/markup").contains("&#60;b&#62;x&#60;/b&#62;"));
    let html = tab("/html");
    assert!(
        html.contains("1 tracker") && html.contains("<b>a.example</b> because it is one or two")
    );
    assert!(html.contains("its address contains that of a recipient"));
    assert!(tab("/headers?filter=LONG").contains("<td>first second</td>"));
    assert!(!tab("/headers?filter=LONG").contains("<td>a@example.org</td>"));
    assert!(tab("/headers?raw=1").contains("X-Long: first\r\n second\r\n"));
    assert!(tab("/html?scheme=dark").contains("/html?scheme=dark&#38;width=768\""));
    assert!(tab("/html?scheme=dark&remote=1").contains("/frame?remote=1&#38;scheme=dark\""));
}

#[test]
fn a_page_to_print_runs_one_script_of_ours() {
    let server = Server::start();
    let id = server.deliver("bob@example.com", HTML).id;
    let page = server.get(&format!("/messages/{id}/print")).expect(200);
    assert!(page.text().contains("<p>Hello") && page.text().contains("a@example.org"));
    assert_eq!(page.text().matches("<script").count(), 1);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("allow-same-origin"));
    assert!(policy.contains("; script-src 'sha256-"), "{policy}");
}

#[test]
fn the_frame_has_an_origin_of_its_own_and_loads_nothing() {
    let server = Server::start();
    let id = server.deliver("bob@example.com", HTML).id;
    let frame = server.get(&format!("/messages/{id}/frame")).expect(200);
    assert!(frame.text().contains("<p>Hello") && !frame.text().contains("<script"));
    let policy = frame.header("content-security-policy").to_owned();
    assert!(
        policy
            .starts_with("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'")
    );
    assert!(!policy.contains("allow-scripts") && !policy.contains("allow-same-origin"));
    assert!(policy.contains(&format!("img-src http://{0} https://{0} data:;", server.address)));
    assert_eq!(frame.header("referrer-policy"), "no-referrer");
    let remote = server.get(&format!("/messages/{id}/frame?remote=1"));
    let policy = remote.header("content-security-policy");
    for loads in ["style-src 'unsafe-inline' http: https:;", "font-src data: http: https:;"] {
        assert!(policy.contains(loads), "{policy}");
    }
    assert!(policy.contains("data: http: https:;") && policy.contains("default-src 'none'"));
    let plain = server.deliver("bob@example.com", &letter("Hi")).id;
    server.get(&format!("/messages/{plain}/frame")).expect(404);
}

#[test]
fn opening_reads_but_fetching_ahead_does_not() {
    let server = Server::start();
    let path = format!("/messages/{}", server.deliver("bob@example.com", &letter("Hi")).id);
    let is_read = || server.shelf.records()[0].read;
    server.client().request("HEAD", &path, &[], "").expect(200);
    server.client().request("GET", &path, &[("Sec-Purpose", "prefetch")], "").expect(200);
    assert!(!is_read());
    server.get(&path).expect(200);
    assert!(is_read());
}

#[test]
fn forms_mark_and_delete() {
    let server = Server::start();
    let path = format!("/messages/{}", server.deliver("bob@example.com", &letter("Hi")).id);
    server.deliver("carl@example.com", &letter("Ho"));
    let first = || server.shelf.records()[0].clone();
    assert_eq!(server.client().post(&path, "action=star").expect(303).header("location"), path);
    assert!(first().starred);
    assert_eq!(server.client().post(&path, "action=unstar").header("location"), path);
    server.client().post(&path, "action=read").expect(303);
    assert!(first().read && !first().starred);
    // Going back to the page would read it again.
    assert_eq!(server.client().post(&path, "action=unread").expect(303).header("location"), "/");
    assert!(!first().read);
    server.client().post(&path, "action=explode").expect(400);
    server.client().post("/messages/000000000000000000000000", "action=read").expect(404);

    assert!(server.get("/delete?mailbox=bob%40example.com").text().contains("bob@example.com"));
    assert_eq!(server.shelf.records().len(), 2);
    let form = "action=delete&mailbox=bob%40example.com";
    server.client().post("/messages", form).expect(303);
    assert_eq!(server.shelf.records().len(), 1);
    server.client().post("/messages", "action=delete&all=1").expect(303);
    assert_eq!(server.shelf.records().len(), 0);
}

#[test]
fn other_sites_are_kept_out() {
    let options = Options { public_hosts: vec!["mail.example".into()], ..Options::default() };
    let server = Server::with(options, auth::Options::default());
    let path = format!("/messages/{}", server.deliver("bob@example.com", &letter("Hi")).id);
    let post =
        |field, value| server.client().request("POST", &path, &[(field, value)], "action=delete");
    post("Origin", "http://evil.example").expect(403);
    post("Origin", "null").expect(403);
    post("Sec-Fetch-Site", "cross-site").expect(403);
    assert_eq!(server.shelf.records().len(), 1);

    let as_host = |host: &str| {
        let mut client = server.client();
        client.write(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        client.answer(false)
    };
    assert!(as_host("evil.example").expect(421).text().contains("public_hosts"));
    as_host("mail.example").expect(200);
    as_host("localhost:1").expect(200);
    post("Origin", &format!("http://{}", server.address)).expect(303);
    assert_eq!(server.shelf.records().len(), 0);
}

#[test]
fn what_is_not_there() {
    let server = Server::start();
    for path in
        ["/nothing", "/messages/xyz", "/messages/6553f1000102030405000000/text", "/static/x"]
    {
        server.get(path).expect(404);
    }
    let refused = server.client().request("DELETE", "/", &[], "").expect(405);
    assert_eq!(refused.header("allow"), "GET,HEAD");
    let page =
        server.client().request("GET", "/nothing", &[("Accept", "text/html")], "").expect(404);
    assert!(page.text().contains("<h1>Not found</h1>"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(server.get("/nothing").header("content-type").starts_with("text/plain"));
}

#[test]
fn a_failing_store_is_a_503_without_its_secrets() {
    let server = Server::start();
    server.get("/readyz").expect(200);
    server.shelf.break_down();
    for path in ["/", "/readyz", "/status", "/messages/6553f1000102030405000000"] {
        let answer = server.get(path).expect(503);
        assert!(!answer.text().contains("/var/x"), "{path}");
    }
    server.get("/livez").expect(200);
}

#[test]
fn status_in_numbers() {
    let server = Server::start();
    server.deliver("bob@example.com", &letter("Hi"));
    server.metrics.messages_received.add(1);
    assert_eq!(server.get("/ping").expect(200).text(), "pong\n");
    let read = |path| serde_json::from_slice::<serde_json::Value>(&server.get(path).body).unwrap();
    assert_eq!(read("/status")["messages"], 1);
    assert_eq!(read("/status")["version"], "0.0.0-test");
    let detail = read("/status/detail");
    assert_eq!(detail["messages_received"], 1);
    assert_eq!(detail["unread"], 1);
    assert!(detail["http_requests"].as_u64() >= Some(3), "{detail}");
}

#[test]
fn our_own_files_are_kept_by_browsers() {
    let server = Server::start();
    let page = server.get("/");
    let url = page.text().split("href=\"").find(|url| url.contains("/style.css")).unwrap();
    let url = url.split('"').next().unwrap();
    let style = server.get(url).expect(200);
    assert_eq!(style.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(server.get("/static/style.css").header("cache-control"), "no-cache");

    let zipped =
        server.client().request("GET", url, &[("Accept-Encoding", "gzip")], "").expect(200);
    assert_eq!(zipped.header("content-encoding"), "gzip");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(zipped.body.as_slice()).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, style.body);

    let etag = [("If-None-Match", style.header("etag"))];
    assert!(server.client().request("GET", url, &etag, "").expect(304).body.is_empty());
    let head = server.client().request("HEAD", url, &[], "").expect(200);
    assert_eq!(head.header("content-length"), style.body.len().to_string());
}
