//! The websocket: what arrives, what was missed, who is refused.

use std::{
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use async_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};
use serde_json::Value;
use smol::{Async, stream::StreamExt};
use smtpd::{
    bus::{Event, What},
    http::Options,
    store::Change,
    wire::ForwardPath,
};

use super::{Server, auth, envelope, letter};

type Socket = WebSocketStream<Async<TcpStream>>;

async fn connect(server: &Server, query: &str, origin: Option<&str>) -> Result<Socket, Error> {
    let mut request = format!("ws://{}/ws{query}", server.address).into_client_request()?;
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
    }
    let stream = Async::<TcpStream>::connect(server.address).await?;
    client_async(request, stream).await.map(|(socket, _)| socket)
}

/// The next frame that is no ping.
async fn next(socket: &mut Socket) -> Value {
    loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

#[test]
fn a_message_appears() {
    smol::block_on(async {
        let server = Server::start();
        let mut socket = connect(&server, "", None).await.unwrap();
        let hello = next(&mut socket).await;
        assert_eq!((&hello["type"], &hello["epoch"]), (&"hello".into(), &"epoch-1".into()));
        assert_eq!((&hello["next"], &hello["counts"]["messages"]), (&1.into(), &0.into()));

        let record = server.deliver("Bob@Example.com", &letter("<b>live</b>"));
        let events = next(&mut socket).await;
        assert_eq!((&events["type"], &events["first"]), (&"events".into(), &1.into()));
        let row = &events["events"][0]["message"];
        assert_eq!(row["id"], record.id.to_string());
        assert_eq!(row["subject"], "<b>live</b>");
        assert_eq!(row["from"], "Ann");
        assert_eq!(row["mailboxes"][0], "bob@example.com");
        let stats = next(&mut socket).await;
        assert_eq!((&stats["type"], &stats["counts"]["unread"]), (&"stats".into(), &1.into()));
    });
}

#[test]
fn events_come_in_one_frame_and_in_order() {
    smol::block_on(async {
        let server = Server::start();
        let id = server.deliver("bob@example.com", &letter("one")).id;
        let what = What::Marked(Change::Read(true));
        server.bus.publish(Event::Changed { ids: Arc::from([id]), what });
        server.bus.publish(Event::Deleted { ids: Arc::from([id]) });
        server.bus.publish(Event::Reload);
        let mut socket = connect(&server, "?epoch=epoch-1&after=1", None).await.unwrap();
        assert_eq!(next(&mut socket).await["next"], 2);
        let frame = next(&mut socket).await;
        assert_eq!(frame["first"], 2);
        let types: Vec<_> =
            frame["events"].as_array().unwrap().iter().map(|it| &it["type"]).collect();
        assert_eq!(types, ["changed", "deleted", "reload"]);
        assert_eq!(frame["events"][0]["ids"][0], id.to_string());
    });
}

#[test]
fn a_flood_of_events_comes_in_frames() {
    smol::block_on(async {
        let server = Server::start();
        let mut socket = connect(&server, "", None).await.unwrap();
        next(&mut socket).await;
        // More than the history holds is missed, so a little at a time.
        for first in [1, 9, 17] {
            for _ in 0..8 {
                server.bus.publish(Event::Reload);
            }
            let (mut seen, mut expected) = (0, first);
            while seen < 8 {
                let frame = next(&mut socket).await;
                if frame["type"] == "events" {
                    assert_eq!(frame["first"], expected);
                    let count = length(&frame);
                    assert!(count <= 100);
                    (seen, expected) = (seen + count, expected + count);
                }
            }
        }
    });
}

#[test]
fn events_close_together_share_frames() {
    smol::block_on(async {
        let server = Server::start();
        let mut socket = connect(&server, "", None).await.unwrap();
        next(&mut socket).await;
        let bus = server.bus.clone();
        let (count, begun) = (200, Instant::now());
        let publisher = std::thread::spawn(move || {
            for _ in 0..count {
                bus.publish(Event::Reload);
                // More than the history of this server holds would be missed.
                std::thread::sleep(Duration::from_micros(700));
            }
        });
        let (mut told, mut frames) = (0, 0);
        while told < count {
            let frame = next(&mut socket).await;
            match frame["type"].as_str() {
                Some("events") => told = frame["first"].as_u64().unwrap() - 1 + length(&frame),
                Some("missed") => told = frame["next"].as_u64().unwrap() - 1,
                _ => continue,
            }
            frames += 1;
        }
        publisher.join().unwrap();
        // One at the beginning, and then one each 3 ms.
        let most = begun.elapsed().as_millis() / 3 + 2;
        assert!(frames <= most, "{frames} frames, {most} at most");
    });
}

fn length(frame: &Value) -> u64 {
    frame["events"].as_array().unwrap().len() as u64
}

#[test]
fn a_crowd_of_recipients_is_not_named() {
    smol::block_on(async {
        let server = Server::start();
        let mut socket = connect(&server, "?epoch=epoch-1&after=0", None).await.unwrap();
        let mut envelope = envelope("bob@example.com");
        envelope.forward_paths = envelope.forward_paths.into_iter().cycle().take(1000).collect();
        server.bus.publish(Event::New(server.shelf.put(envelope, &letter("Hi"))));
        assert_eq!(next(&mut socket).await["type"], "hello");
        assert_eq!(next(&mut socket).await["events"], serde_json::json!([{ "type": "reload" }]));
    });
}

#[test]
fn who_was_away_too_long_is_told() {
    smol::block_on(async {
        let server = Server::start();
        for _ in 0..20 {
            server.bus.publish(Event::Reload);
        }
        for query in ["?epoch=epoch-1&after=3", "?epoch=epoch-0&after=20"] {
            let mut socket = connect(&server, query, None).await.unwrap();
            assert_eq!(next(&mut socket).await["type"], "hello");
            let missed = next(&mut socket).await;
            assert_eq!(
                (&missed["type"], &missed["next"]),
                (&"missed".into(), &21.into()),
                "{query}"
            );
        }
    });
}

#[test]
fn another_sites_page_cannot_listen() {
    smol::block_on(async {
        let server = Server::start();
        for origin in ["http://evil.example", "null"] {
            match connect(&server, "", Some(origin)).await {
                Err(Error::Http(answer)) => assert_eq!(answer.status(), 403),
                other => panic!("{:?}", other.err()),
            }
        }
        let ours = format!("http://{}", server.address);
        assert!(connect(&server, "", Some(&ours)).await.is_ok());
        server.get("/ws").expect(426);
    });
}

#[test]
fn a_client_that_takes_nothing_is_closed_and_delays_nobody() {
    // Long beside what a busy machine makes others wait, so that one can be told from the other.
    let options = Options { write_seconds: 5, ..Options::default() };
    let server = Server::with(options, auth::Options::default());
    let mut crowd = envelope("bob@example.com");
    for number in 0..49 {
        let address = format!("{}{number}@example.com", "x".repeat(200));
        crowd.forward_paths.push(ForwardPath { address, parameters: Vec::new() });
    }
    let record = server.shelf.put(crowd, &letter(&"\u{1}".repeat(200)));
    smol::block_on(async {
        let mut stuck = connect(&server, "", None).await.unwrap();
        next(&mut stuck).await;
        let mut lively = connect(&server, "", None).await.unwrap();
        next(&mut lively).await;
        // The buffers of the kernel fill first; how long that takes is the machine's affair.
        let patience = Instant::now() + Duration::from_secs(60);
        while Instant::now() < patience {
            for _ in 0..8 {
                server.bus.publish(Event::New(record.clone()));
            }
            let begun = Instant::now();
            next(&mut lively).await;
            assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
            if server.metrics.websockets_now.value() == 1 {
                return;
            }
        }
        panic!("still connected");
    });
}

#[test]
fn a_silent_client_is_pinged_and_a_dead_one_closed() {
    let options = Options { ping_seconds: 1, ..Options::default() };
    let server = Server::with(options, auth::Options::default());
    smol::block_on(async {
        let mut socket = connect(&server, "", None).await.unwrap();
        let mut pings = 0;
        while pings < 3 {
            // Reading on answers the ping, so the server keeps us.
            pings += i32::from(matches!(socket.next().await, Some(Ok(Message::Ping(_)))));
        }
        assert_eq!(server.metrics.websockets_now.value(), 1);
        // From here on we do not read, so no ping is answered.
        for _ in 0..100 {
            smol::Timer::after(Duration::from_millis(100)).await;
            if server.metrics.websockets_now.value() == 0 {
                return;
            }
        }
        panic!("still connected");
    });
}

#[test]
fn goodbye_both_ways() {
    smol::block_on(async {
        let server = Server::start();
        let mut leaving = connect(&server, "", None).await.unwrap();
        next(&mut leaving).await;
        leaving.close(None).await.unwrap();
        assert!(matches!(leaving.next().await, Some(Ok(Message::Close(_)))));

        let mut staying = connect(&server, "", None).await.unwrap();
        next(&mut staying).await;
        server.shutdown.begin();
        match staying.next().await {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1001),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_client_cannot_fill_our_memory() {
    smol::block_on(async {
        let server = Server::start();
        let mut socket = connect(&server, "", None).await.unwrap();
        next(&mut socket).await;
        let _ = socket.send(Message::text("x".repeat(100_000))).await;
        while let Some(Ok(message)) = socket.next().await {
            assert!(!matches!(message, Message::Text(_)));
        }
        server.get("/ping").expect(200);
    });
}
