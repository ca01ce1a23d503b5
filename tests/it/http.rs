//! The web server over real sockets.

// Clippy allows them in test functions only, not in the helpers of tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod api;
mod attacks;
mod auth_http;
mod client;
mod connection;
mod files;
mod https;
mod leaves;
mod list;
mod live;
mod login;
mod monsters;
mod pages;
mod parameters;
mod shelf;
mod status;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Instant,
};

use client::{Answer, Client};
use shelf::Shelf;
use smol::Async;
use smtpd::{
    auth::{self, Auth},
    bus::{Bus, Event},
    http::{self, Dependencies, HttpServer, Upstream, Upstreams},
    limits,
    mail::Mail,
    metrics::Metrics,
    net::Socket,
    policy::{self, Policy},
    refusals::Refusals,
    shutdown::Shutdown,
    store::{self, Record, Store},
    wire::{Envelope, ForwardPath},
};

/// A server on a port of its own, gone when dropped.
struct Server {
    address: SocketAddr,
    shelf: Shelf,
    bus: Arc<Bus>,
    auth: Arc<Auth>,
    metrics: Arc<Metrics>,
    refusals: Arc<Refusals>,
    shutdown: Shutdown,
    _accepting: smol::Task<()>,
}

impl Server {
    fn start() -> Self {
        Self::with(http::Options::default(), auth::Options::default())
    }

    fn with(options: http::Options, auth: auth::Options) -> Self {
        Self::guarded(options, auth, policy::Options::default())
    }

    fn guarded(options: http::Options, auth: auth::Options, policy: policy::Options) -> Self {
        let (shelf, bus, shutdown) = (Shelf::new(), Bus::new(8), Shutdown::new());
        let metrics = Arc::new(Metrics::default());
        let refusals = Arc::<Refusals>::default();
        let auth = Arc::new(Auth::new(auth).unwrap());
        let upstream = |ip, port| Upstream {
            address: SocketAddr::from((ip, port)),
            auth: auth.mode(),
            auth_needs_tls: false,
        };
        let store: Arc<dyn Store> = Arc::new(shelf.clone());
        let web = HttpServer::new(Dependencies {
            mail: Mail::new(store, bus.clone()),
            auth: auth.clone(),
            refusals: refusals.clone(),
            metrics: metrics.clone(),
            limits: limits::Options::default(),
            store_kind: store::Kind::Memory,
            options,
            policy: Arc::new(Policy::new(policy).unwrap()),
            smtp: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 2525)),
            upstreams: Upstreams {
                direct: Some(upstream(Ipv4Addr::UNSPECIFIED, 2525)),
                proxied: Some(upstream(Ipv4Addr::LOCALHOST, 2526)),
            },
            pop3_upstreams: Upstreams::default(),
            started: Instant::now(),
            version: "0.0.0-test",
            epoch: "epoch-1".into(),
            shutdown: shutdown.clone(),
        });
        let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let accepting = smol::spawn(async move {
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                let web = web.clone();
                let socket = Socket::tcp(stream);
                smol::spawn(async move {
                    http::serve_connection(socket, Some(peer), None, &web).await;
                })
                .detach();
            }
        });
        Self { address, shelf, bus, auth, metrics, refusals, shutdown, _accepting: accepting }
    }

    fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// GET on a connection of its own.
    fn get(&self, path: &str) -> Answer {
        self.client().get(path)
    }

    /// A message arrives: stored, then announced.
    fn deliver(&self, recipient: &str, octets: &[u8]) -> Arc<Record> {
        let record = self.shelf.put(envelope(recipient), octets);
        self.bus.publish(Event::New(record.clone()));
        record
    }
}

fn envelope(recipient: &str) -> Envelope {
    Envelope {
        reverse_path: "sender@example.org".into(),
        forward_paths: vec![ForwardPath { address: recipient.into(), parameters: Vec::new() }],
        helo: "client.example".into(),
        esmtp: true,
        received_ms: 1_770_000_000_000,
        ..Envelope::default()
    }
}

/// A small message of the usual kind.
fn letter(subject: &str) -> Vec<u8> {
    format!(
        "From: Ann <ann@example.org>\r\nTo: bob@example.com\r\nSubject: {subject}\r\n\
         Date: Fri, 20 Nov 2026 13:00:00 +0000\r\n\r\nHello Bob.\r\n"
    )
    .into_bytes()
}
