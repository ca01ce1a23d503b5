//! A whole SMTP server on the pure session: it takes one client at a time and prints what was sent.
//!
//!     cargo run --example smtp-server     # then mail to 127.0.0.1:2500
//!
//! The session does no I/O. It takes octets and the time, says what it wants, and writes replies into its
//! output; everything here is what a program around it must do.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::Instant,
};

use smtpd::{
    smtp::{Ask, MayName, Options, Peer, Session, Step},
    wire::session::Session as _,
};

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:2500")?;
    let options = Arc::new(Options { name: "mx.example".into(), ..Options::default() });
    for stream in listener.incoming() {
        if let Err(error) = serve(stream?, options.clone()) {
            eprintln!("the connection ended: {error}");
        }
    }
    Ok(())
}

fn serve(mut stream: TcpStream, options: Arc<Options>) -> io::Result<()> {
    let peer = Peer { tls: None, may_name: MayName::Nobody, is_trusted: false };
    let mut session = Session::new(options, peer, Instant::now());
    let (mut buffer, mut message, mut count) = ([0; 4096], Vec::new(), 0);
    let mut input: &[u8] = &[];
    loop {
        let step = session.step(&mut input, Instant::now());
        match step {
            Step::Ask(Ask::Body(octets)) => message.extend_from_slice(octets),
            Step::Ask(Ask::Begin) => session.proceed(),
            Step::Ask(Ask::Abandon) => message.clear(),
            Step::Ask(Ask::End) => {
                let envelope = session.take_envelope();
                println!("{envelope:#?}\n{}", String::from_utf8_lossy(&message));
                message.clear();
                count += 1;
                // 250 only now: a server that keeps mail keeps it durably first.
                session.kept(&count);
            }
            Step::Read | Step::Flush | Step::Close => {
                let (ends, reads) = (step == Step::Close, step == Step::Read);
                stream.write_all(session.output())?;
                session.output().clear();
                if ends {
                    return Ok(());
                }
                if reads {
                    let length = stream.read(&mut buffer)?;
                    if length == 0 {
                        return Ok(());
                    }
                    input = &buffer[..length];
                }
            }
            // STARTTLS, AUTH, XCLIENT, the policy and delays are off in these options.
            other => return Err(io::Error::other(format!("not asked for: {other:?}"))),
        }
    }
}
