//! Raw messages with ranges, and parts as downloads.

use super::{Server, envelope, letter};

fn with_parts() -> Vec<u8> {
    let pixel = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
    format!(
        "Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n\
         --b\r\nContent-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n\r\n{pixel}\r\n\
         --b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"../../x\\\"y.html\"\r\n\r\n<script>alert(1)</script>\r\n\
         --b\r\nContent-Type: image/svg+xml; name=a.svg\r\nContent-Disposition: inline\r\n\r\n<svg onload=alert(1)/>\r\n\
         --b--\r\n"
    )
    .into_bytes()
}

#[test]
fn raw_is_byte_for_byte() {
    let server = Server::start();
    let mut octets = letter("raw");
    octets.extend([0, 255, 10, 13, 46]);
    let path = format!("/messages/{}/raw", server.deliver("bob@example.com", &octets).id);
    let raw = server.get(&path).expect(200);
    assert_eq!(raw.body, octets);
    assert_eq!(raw.header("content-type"), "message/rfc822");
    assert!(raw.header("content-security-policy").starts_with("sandbox"));
    assert_eq!(raw.header("content-disposition"), "");
    let head = server.client().request("HEAD", &path, &[], "").expect(200);
    assert_eq!(head.header("content-length"), octets.len().to_string());
    let known = [("If-None-Match", raw.header("etag"))];
    server.client().request("GET", &path, &known, "").expect(304);
    let saved = server.get(&format!("{path}?download"));
    assert!(saved.header("content-disposition").starts_with("attachment; filename=\""));
    assert!(saved.header("content-disposition").contains(".eml\""));
}

#[test]
fn ranges_of_raw() {
    let server = Server::start();
    let octets = letter("ranges");
    let path = format!("/messages/{}/raw", server.deliver("bob@example.com", &octets).id);
    let range = |field| server.client().request("GET", &path, &[("Range", field)], "");
    let part = range("bytes=5-9").expect(206);
    assert_eq!(part.body, &octets[5..10]);
    assert_eq!(part.header("content-range"), format!("bytes 5-9/{}", octets.len()));
    assert_eq!(range("bytes=-3").expect(206).body, &octets[octets.len() - 3..]);
    let outside = range("bytes=99999-").expect(416);
    assert_eq!(outside.header("content-range"), format!("bytes */{}", octets.len()));
    assert_eq!(range("bytes=0-1,5-6").expect(200).body, octets);
    let stale = [("Range", "bytes=0-1"), ("If-Range", "\"other\"")];
    assert_eq!(server.client().request("GET", &path, &stale, "").expect(200).body, octets);
}

#[test]
fn a_large_message_streams_from_its_file() {
    let server = Server::start();
    let line = b"The quick brown fox jumps over the lazy dog. 0123456789 0123456789\r\n";
    let mut octets = letter("large");
    octets.extend(line.iter().cycle().take(line.len() * 60_000));
    let id = server.shelf.put_file(envelope("bob@example.com"), &octets).id;
    assert!(server.get(&format!("/messages/{id}/raw")).expect(200).body == octets);
    let body = &octets[octets.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4..];
    assert!(server.get(&format!("/messages/{id}/parts/0")).expect(200).body == body);
    // The page shows the beginning and says so.
    let page = server.get(&format!("/messages/{id}/text")).expect(200);
    assert!(page.body.len() < 3_000_000 && page.text().contains("Only the first 2.1 MB"));
    // The source goes on: every line stands on one page, and none is cut.
    let lines = |page: usize| {
        let page = server.get(&format!("/messages/{id}/source?page={page}")).expect(200);
        let text = page.text().split("<pre").nth(1).unwrap().split("</pre>").next().unwrap();
        text.split('>').nth(1).unwrap().matches("quick brown fox").count()
    };
    let pages = octets.len().div_ceil(256 * 1024);
    assert_eq!((1..=pages).map(lines).sum::<usize>(), 60_000);
    server.get(&format!("/messages/{id}/source?page={}", pages + 1)).expect(404);
}

#[test]
fn parts_are_decoded_downloads() {
    let server = Server::start();
    let id = server.deliver("bob@example.com", &with_parts()).id;
    let part = |tail: &str| server.get(&format!("/messages/{id}/parts/{tail}"));
    let text = part("1").expect(200);
    assert_eq!(text.body, b"Gr\xfc\xdfe");
    assert!(text.header("content-disposition").starts_with("attachment; filename=\"part-1.txt\""));
    let pixel = part("2?inline").expect(200);
    assert_eq!(
        (pixel.header("content-type"), pixel.header("content-disposition")),
        ("image/gif", "inline")
    );
    assert_eq!(&pixel.body[..6], b"GIF89a");
    assert_eq!(pixel.header("cross-origin-resource-policy"), "cross-origin");
    assert!(part("2").header("content-disposition").starts_with("attachment"));
    part("9").expect(404);
    part("x").expect(404);
}

#[test]
fn active_content_never_runs_here() {
    let server = Server::start();
    let id = server.deliver("bob@example.com", &with_parts()).id;
    for tail in ["3", "3?inline", "4", "4?inline"] {
        let part = server.get(&format!("/messages/{id}/parts/{tail}")).expect(200);
        // Only an image element shows what is sent so, and there no script runs.
        let expected =
            if tail == "4?inline" { "image/svg+xml" } else { "application/octet-stream" };
        assert_eq!(part.header("content-type"), expected, "{tail}");
        let disposition = part.header("content-disposition");
        assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
        assert!(!disposition.contains('/') && !disposition.contains(".."), "{disposition}");
        assert_eq!(part.header("x-content-type-options"), "nosniff");
        assert_eq!(part.header("content-security-policy"), "sandbox; default-src 'none'");
    }
}

/// A message with an attachment of each kind that matters here.
fn with_files() -> Vec<u8> {
    let part = |fields: &str, body: &str| format!("--b\r\n{fields}\r\n\r\n{body}\r\n");
    let file = |name: &str| format!("Content-Disposition: attachment; filename=\"{name}\"");
    [
        "Subject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned(),
        part("Content-Type: text/plain", "See the files."),
        part(&format!("Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n{}", file("a.txt")), "MDEyMzQ1\r\nNjc4OQ=="),
        part(&file("../../etc/passwd"), "root:x"),
        part(&file("/a.txt"), "another"),
        part(&format!("Content-Type: application/pdf\r\n{}", file("a.pdf")), "%PDF-1.4"),
        part(&format!("Content-Type: message/rfc822\r\n{}", file("b.eml")), "Subject: inner\r\nFrom: carol@example.org\r\nContent-Type: text/html\r\n\r\n<p>Inside<script>alert(1)</script>"),
        "--b--\r\n".to_owned(),
    ]
    .concat()
    .into_bytes()
}

#[test]
fn ranges_of_decoded_parts() {
    let server = Server::start();
    let id = server.deliver("bob@example.com", &with_files()).id;
    let path = format!("/messages/{id}/parts/2");
    let whole = server.get(&path).expect(200);
    assert_eq!((whole.body.as_slice(), whole.header("content-length")), (&b"0123456789"[..], "10"));
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let range = |field| server.client().request("GET", &path, &[("Range", field)], "");
    for (field, place, octets) in
        [("bytes=2-5", "2-5", "2345"), ("bytes=7-", "7-9", "789"), ("bytes=-1", "9-9", "9")]
    {
        let part = range(field).expect(206);
        assert_eq!(part.body, octets.as_bytes(), "{field}");
        assert_eq!(part.header("content-range"), format!("bytes {place}/10"), "{field}");
    }
    assert_eq!(range("bytes=10-").expect(416).header("content-range"), "bytes */10");
    let head = server.client().request("HEAD", &path, &[], "").expect(200);
    assert_eq!(head.header("content-length"), "10");
    let known = [("If-None-Match", whole.header("etag"))];
    server.client().request("GET", &path, &known, "").expect(304);
}

#[test]
fn only_what_a_viewer_may_show_is_inline() {
    let server = Server::start();
    let id = server.deliver("bob@example.com", &with_files()).id;
    let part = |tail: &str| server.get(&format!("/messages/{id}/parts/{tail}")).expect(200);
    let pdf = part("5?inline");
    assert_eq!(pdf.header("content-type"), "application/pdf");
    assert_eq!(pdf.header("content-disposition"), "inline");
    let policy = pdf.header("content-security-policy");
    assert!(policy.starts_with("sandbox; default-src 'none'"), "{policy}");
    assert_eq!(part("5").header("content-type"), "application/octet-stream");
    for number in [2, 3, 4, 6] {
        let file = part(&format!("{number}?inline"));
        assert!(file.header("content-disposition").starts_with("attachment"), "{number}");
    }
}

#[test]
fn all_attachments_as_one_archive() {
    let server = Server::start();
    let id = server.deliver("bob@example.com", &with_files()).id;
    let answer = server.get(&format!("/messages/{id}/attachments.zip")).expect(200);
    assert_eq!(answer.header("content-type"), "application/zip");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    std::fs::write(&path, &answer.body).unwrap();
    // Python's reader checks sizes and checksums, and is not ours.
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
        for i in z.infolist(): print(i.filename, i.file_size, i.date_time[0], z.read(i)[:7])";
    let output = std::process::Command::new("python3").args(["-c", script]).arg(&path).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    let listed = String::from_utf8(output.stdout).unwrap();
    let expected = "a.txt 10 2026 b'0123456'\npasswd 6 2026 b'root:x'\na (2).txt 7 2026 b'another'\n\
        a.pdf 8 2026 b'%PDF-1.'\nb.eml 102 2026 b'Subject'\n";
    assert_eq!(listed, expected);
    let plain = server.deliver("bob@example.com", &letter("no files")).id;
    server.get(&format!("/messages/{plain}/attachments.zip")).expect(404);
}

#[test]
fn a_large_archive_streams() {
    let server = Server::start();
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n";
    let mut octets = b"Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: application/x-thing; name=big\r\nContent-Transfer-Encoding: base64\r\n\r\n".to_vec();
    octets.extend(line.as_bytes().iter().cycle().take(line.len() * 100_000));
    let id = server.shelf.put_file(envelope("bob@example.com"), &octets).id;
    let archive = server.get(&format!("/messages/{id}/attachments.zip")).expect(200).body;
    assert!(archive.starts_with(b"PK\x03\x04") && archive.len() > 5_700_000);
    let content = server.get(&format!("/messages/{id}/parts/0")).expect(200);
    assert_eq!(content.header("content-length"), "5700000");
    assert_eq!(content.body.len(), 5_700_000);
}

#[test]
fn parts_can_be_looked_at() {
    let server = Server::start();
    let id = server.deliver("bob@example.com", &with_files()).id;
    let view =
        |number: usize| server.get(&format!("/messages/{id}/parts/{number}/view")).expect(200);
    assert!(view(2).text().contains("0123456789"));
    assert!(view(3).text().contains("root:x"));
    assert!(view(5).text().contains(&format!("src=\"/messages/{id}/parts/5?inline\"")));
    let inner = view(6);
    assert!(inner.text().contains("<th scope=\"row\">Subject</th><td>inner</td>"));
    assert!(inner.text().contains(&format!("src=\"/messages/{id}/parts/6/frame\"")));
    let frame = server.get(&format!("/messages/{id}/parts/6/frame")).expect(200);
    assert!(frame.text().contains("<p>Inside") && !frame.text().contains("<script"));
    assert!(frame.header("content-security-policy").starts_with("sandbox allow-popups"));
    assert!(view(0).text().contains("There is no preview"));
    server.get(&format!("/messages/{id}/parts/1/frame")).expect(404);
    server.get(&format!("/messages/{id}/parts/99/view")).expect(404);
}
