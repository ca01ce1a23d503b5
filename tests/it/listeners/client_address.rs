//! Who the client is, as proxies of ours say it: PROXY protocol and XCLIENT.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::harness::{Client, Server, connect, eventually};

fn behind_a_proxy() -> Server {
    Server::start(&[("SMTPD_SMTP_PROXY", "true"), ("SMTPD_SMTP_PROXIES", "127.0.0.0/8,::1")])
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = (block.len() as u16).to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

fn v2_ipv6() -> Vec<u8> {
    let ip: std::net::Ipv6Addr = "2001:db8::7".parse().unwrap();
    let block = [&ip.octets()[..], &[0; 16], &[0x12, 0x34, 0, 25], &[0x04, 0, 1, 0]].concat();
    v2(0x21, 0x21, &block)
}

fn mail(mut client: Client, subject: &str) {
    assert!(client.reply().unwrap().starts_with("220 "), "{subject}");
    client.say("EHLO x").unwrap();
    assert!(client.mail(&format!("Subject: {subject}")).unwrap().starts_with("250 "));
}

#[test]
fn the_client_named_by_a_proxy_is_the_client() {
    let server = behind_a_proxy();
    let own = "the address of the connection";
    let table: [(&str, &[u8], &str); 6] = [
        ("v1", b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 25\r\n", "203.0.113.9:4711"),
        ("v1 IPv6", b"PROXY TCP6 2001:db8::9 ::1 4711 25\r\n", "[2001:db8::9]:4711"),
        ("v1 unknown", b"PROXY UNKNOWN\r\n", own),
        ("v2", &v2(0x21, 0x11, &[203, 0, 113, 8, 0, 0, 0, 0, 0, 80, 0, 25]), "203.0.113.8:80"),
        ("v2 IPv6", &v2_ipv6(), "[2001:db8::7]:4660"),
        ("v2 local", &v2(0x20, 0, &[]), own),
    ];
    for (subject, header, expected) in table {
        let mut stream = connect(server.smtp);
        let local = stream.local_addr().unwrap().to_string();
        stream.write_all(header).unwrap();
        mail(Client::over(stream), subject);
        let expected = if expected == own { &*local } else { expected };
        assert_eq!(server.client_of(subject), expected, "{subject}");
    }
    eventually(5, "the log has it", || {
        server.log().matches("connection client=203.0.113.9:4711 helo=x").count() == 1
    });
    mail_behind_unix(&server);
}

/// Proxies on a Unix socket have clients without an address.
fn mail_behind_unix(server: &Server) {
    let mut stream = connect(server.smtp);
    stream.write_all(&v2(0x21, 0x31, &[0; 216])).unwrap();
    mail(Client::over(stream), "v2 unix");
    assert_eq!(server.client_of("v2 unix"), "");
}

#[test]
fn a_header_may_be_cut_anywhere_and_mail_may_stand_behind_it() {
    let server = behind_a_proxy();
    for (name, header) in
        [("v1", b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 25\r\n".to_vec()), ("v2", v2_ipv6())]
    {
        for cut in 0..header.len() {
            let mut stream = connect(server.smtp);
            stream.set_nodelay(true).unwrap();
            stream.write_all(&header[..cut]).unwrap();
            let rest = [&header[cut..], b"EHLO early\r\n"].concat();
            stream.write_all(&rest).unwrap();
            let mut client = Client::over(stream);
            assert!(client.reply().unwrap().starts_with("220 "), "{name} cut at {cut}");
            assert!(client.reply().unwrap().starts_with("250-"), "{name} cut at {cut}");
        }
        // Cut off there, it is nobody's connection.
        for cut in 0..header.len() {
            let mut stream = connect(server.smtp);
            stream.write_all(&header[..cut]).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(all_of(stream), b"", "{name} cut off at {cut}");
        }
    }
}

fn all_of(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

#[test]
fn without_a_header_nothing_is_said() {
    let server = behind_a_proxy();
    for wrong in
        [&b"EHLO x\r\n"[..], b"PROXY TCP4 1.2.3.4\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x41\0\0"]
    {
        let mut stream = connect(server.smtp);
        stream.write_all(wrong).unwrap();
        assert_eq!(all_of(stream), b"", "{}", wrong.escape_ascii());
    }
    let begun = Instant::now();
    assert_eq!(all_of(connect(server.smtp)), b"", "silence");
    assert!(begun.elapsed() < Duration::from_secs(20));
    eventually(5, "the log tells", || {
        let log = server.log();
        log.contains("why=\"no header of the PROXY protocol\"") && log.contains("in time")
    });
}

#[test]
fn only_proxies_of_ours_may_say_who_the_client_is() {
    let elsewhere = ("SMTPD_SMTP_PROXIES", "192.0.2.0/24");
    let server = Server::start(&[("SMTPD_SMTP_PROXY", "true"), elsewhere]);
    let mut stream = connect(server.smtp);
    let _ = stream.write_all(b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 25\r\n");
    assert_eq!(all_of(stream), b"");
    drop(server);
    // Where no header is expected, one is a command that there is not.
    let server = Server::start(&[("SMTPD_SMTP_PROXIES", "127.0.0.0/8")]);
    let mut client = Client::connect(server.smtp);
    let reply = client.say("PROXY TCP4 203.0.113.9 192.0.2.1 4711 25").unwrap();
    assert!(reply.starts_with("500 "), "{reply}");
}

#[test]
fn xclient_names_the_client() {
    let server = Server::start(&[("SMTPD_SMTP_PROXIES", "127.0.0.1")]);
    let say = |client: &mut Client, line: &str| client.say(line).unwrap();
    let mut client = Client::connect(server.smtp);
    assert!(say(&mut client, "EHLO proxy").contains("250-XCLIENT "));
    let named = "XCLIENT ADDR=203.0.113.5 PORT=1234 NAME=[UNAVAILABLE] HELO=real.test PROTO=ESMTP";
    assert!(say(&mut client, named).starts_with("220 "));
    say(&mut client, "EHLO real.test");
    assert!(client.mail("Subject: xclient").unwrap().starts_with("250 "));
    assert_eq!(server.client_of("xclient"), "203.0.113.5:1234");
    drop(client);
    eventually(5, "the log has it", || server.log().contains("connection client=203.0.113.5:1234"));

    let mut client = Client::connect(server.smtp);
    say(&mut client, "EHLO proxy");
    assert!(say(&mut client, "XCLIENT ADDR=IPV6:2001:db8::5 PORT=9").starts_with("220 "));
    say(&mut client, "EHLO real.test");
    assert!(client.mail("Subject: xclient IPv6").unwrap().starts_with("250 "));
    assert_eq!(server.client_of("xclient IPv6"), "[2001:db8::5]:9");
}

#[test]
fn xclient_is_for_proxies_only() {
    let proxied = [("SMTPD_SMTP_PROXY", "true"), ("SMTPD_SMTP_PROXIES", "127.0.0.1")];
    // A stranger, and the client of a proxy that passes its octets on.
    for (environment, header) in
        [(&[][..], &b""[..]), (&proxied[..], &b"PROXY TCP4 127.0.0.1 127.0.0.1 4711 25\r\n"[..])]
    {
        let server = Server::start(environment);
        let mut stream = connect(server.smtp);
        stream.write_all(header).unwrap();
        let mut client = Client::over(stream);
        client.reply().unwrap();
        assert!(!client.say("EHLO x").unwrap().contains("XCLIENT"));
        assert!(client.say("XCLIENT ADDR=203.0.113.5").unwrap().starts_with('5'));
        assert!(client.mail("Subject: who").unwrap().starts_with("250 "));
        let client: SocketAddr = server.client_of("who").parse().unwrap();
        assert!(client.ip().is_loopback(), "{client}");
    }
}
