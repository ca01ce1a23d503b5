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
        assert_eq!(part.header("content-type"), "application/octet-stream", "{tail}");
        let disposition = part.header("content-disposition");
        assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
        assert!(!disposition.contains('/') && !disposition.contains(".."), "{disposition}");
        assert_eq!(part.header("x-content-type-options"), "nosniff");
        assert_eq!(part.header("content-security-policy"), "sandbox; default-src 'none'");
        assert_eq!(part.header("cross-origin-resource-policy"), "same-origin");
    }
}
