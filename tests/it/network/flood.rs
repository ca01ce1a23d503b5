//! More connections than there is room for: the limit, no file descriptors left, and resets.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{check_alive, read_out, reset};
use crate::harness::{Client, Server, connect, eventually};

#[test]
fn over_the_limit_each_hears_421_and_under_it_all_is_as_ever() {
    const LIMIT: usize = 50;
    let server = Server::start(&[("SMTPD_LIMITS_CONNECTIONS", "50")]);
    check_alive(&server, "before");
    eventually(10, "the first is gone", || !server.log().is_empty() && connections(&server) == 0);
    let before = server.open_files();
    let served: Vec<Client> = (0..LIMIT).map(|_| Client::connect(server.smtp)).collect();
    for _ in 0..2_000 {
        let heard = read_out(&mut connect(server.smtp)).unwrap();
        assert!(heard.starts_with(b"421 4.7.0 "), "{}", heard.escape_ascii());
    }
    // Who is in goes on, and the pages are there.
    for mut client in served {
        assert!(client.say("EHLO in").unwrap().starts_with("250"));
        assert!(client.mail("Subject: in").unwrap().starts_with("250 "));
        assert!(client.say("QUIT").unwrap().starts_with("221 "));
    }
    eventually(10, "all are gone", || connections(&server) == 0);
    eventually(10, "no socket is left", || server.open_files() <= before + 8);
    check_alive(&server, "after");
}

fn connections(server: &Server) -> u64 {
    let status: serde_json::Value = serde_json::from_slice(&server.get("/status/detail")).unwrap();
    status["smtp_connections_now"].as_u64().unwrap()
}

/// Without file descriptors accepting fails: it must neither spin nor stop.
#[test]
fn without_file_descriptors_it_waits_and_goes_on() {
    let server = Server::start_with_files(64, &[]);
    let mut patient = Client::connect(server.smtp);
    patient.say("EHLO patient").unwrap();
    let crowd: Vec<TcpStream> = (0..150).map(|_| connect(server.smtp)).collect();
    eventually(20, "the descriptors are used up", || {
        server.log().contains("cannot accept a connection")
    });
    let (begun, before) = (Instant::now(), server.processor_time());
    std::thread::sleep(Duration::from_secs(3));
    let used = server.processor_time() - before;
    assert!(used < begun.elapsed() / 5, "{used:?} of {:?} while there is no room", begun.elapsed());
    let complaints = server.log().matches("cannot accept a connection").count();
    assert!(complaints < 40, "{complaints} lines in the log");
    assert!(patient.say("NOOP").unwrap().starts_with("250 "), "who is in is served");
    drop(crowd);
    check_alive(&server, "after the crowd");
}

#[test]
fn a_storm_of_resets_leaves_nothing_behind() {
    let server = Server::start(&[]);
    check_alive(&server, "before the storm");
    let before = server.open_files();
    let words: [&[u8]; 4] = [
        b"",
        b"EHLO a\r\n",
        b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx",
        b"\x16\x03\x01",
    ];
    let storms: Vec<_> = (0..4)
        .map(|number: usize| {
            let (smtp, http) = (server.smtp, server.http);
            std::thread::spawn(move || {
                for round in 0..500 {
                    reset(connect(smtp), words[(number + round) % words.len()]);
                    // HTTP says nothing first; this is reset because its answer is not read.
                    reset(connect(http), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
                }
            })
        })
        .collect();
    let mut client = Client::connect(server.smtp);
    client.say("EHLO calm").unwrap();
    for _ in 0..20 {
        assert!(client.mail("Subject: in the storm").unwrap().starts_with("250 "));
    }
    storms.into_iter().for_each(|storm| storm.join().unwrap());
    client.say("QUIT").unwrap();
    eventually(20, "all are gone", || connections(&server) == 0);
    eventually(20, "no socket is left", || server.open_files() <= before + 8);
    check_alive(&server, "after the storm");
}
