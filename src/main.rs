//! The command line: flags, configuration, log, signals, exit code.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use argh::FromArgs;
use async_signal::{Signal, Signals};
use smol::stream::StreamExt as _;
use smtpd::{
    VERSION,
    auth::{Stored, TokenHash},
    config::{CONFIG_VARIABLE, Config},
    log, migrate, notify, panics, process,
    reload::Reload,
    secret::Secret,
    server::{self, Addresses},
    shutdown::Shutdown,
    store,
};

/// glibc gives memory back and takes it again for every message, each time interrupting the other cores;
/// musl's allocator has one lock for all threads.
/// Without huge pages: each is 2 MB of memory for the first octet used in it, and an idle smtpd uses few.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// smtpd catches mail: point your application at its SMTP port and read the mail in a browser.
/// Without --config it runs on built-in defaults: SMTP on 127.0.0.1:25000, web on 127.0.0.1:10025,
/// messages under ./data. Every key can be set in the environment, as SMTPD_SMTP_LISTEN.
#[derive(FromArgs)]
struct Flags {
    /// the configuration file (also SMTPD_CONFIG)
    #[argh(option, short = 'c')]
    config: Option<PathBuf>,
    /// check the configuration and end
    #[argh(switch)]
    check_config: bool,
    /// print the version and end
    #[argh(switch, short = 'V')]
    version: bool,
    #[argh(subcommand)]
    command: Option<Command>,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    HashPassword(HashPassword),
    Check(Check),
    Backup(Backup),
    Repair(Repair),
    Migrate(Migrate),
}

/// Copy all messages from one store into another, with their ids, marks and tags. It may be interrupted
/// and begun again. A store is `sqlite` or `mongodb` as the configuration has them, `sqlite:FOLDER`, or
/// `mongodb://...`. No smtpd may be running on the SQLite store.
#[derive(FromArgs)]
#[argh(subcommand, name = "migrate")]
struct Migrate {
    /// where the messages are
    #[argh(option)]
    from: String,
    /// where they shall be
    #[argh(option)]
    to: String,
}

/// Check that every stored message is there and whole. smtpd may run meanwhile.
#[derive(FromArgs)]
#[argh(subcommand, name = "check")]
struct Check {}

/// Copy the store into a folder that does not exist yet. smtpd may run meanwhile.
#[derive(FromArgs)]
#[argh(subcommand, name = "backup")]
struct Backup {
    /// the folder to make
    #[argh(positional)]
    folder: PathBuf,
}

/// Save what can be saved of a damaged store. End smtpd first, and make a copy.
#[derive(FromArgs)]
#[argh(subcommand, name = "repair")]
struct Repair {}

/// Read a password from standard input and print what to keep of it: an argon2 hash for [auth.users].
#[derive(FromArgs)]
#[argh(subcommand, name = "hash-password")]
struct HashPassword {
    /// print SCRAM keys (RFC 5803) for [auth.users], with which SCRAM-SHA-256 works, too
    #[argh(switch)]
    scram: bool,
    /// print the SHA-256 of a bearer token for [auth.tokens]
    #[argh(switch)]
    token: bool,
}

fn main() -> ExitCode {
    let flags: Flags = argh::from_env();
    let ended = run(flags);
    ::log::logger().flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("smtpd: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> Result<(), String> {
    if flags.version {
        return say(&format!("smtpd {VERSION}"));
    }
    process::harden()?;
    if let Some(Command::HashPassword(how)) = &flags.command {
        return hash_password(how);
    }
    let path = flags.config.or_else(|| std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from));
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let loaded = Config::load(path.as_deref(), environment).map_err(|error| error.to_string())?;
    if flags.check_config {
        for warning in &loaded.warnings {
            eprintln!("smtpd: {warning}");
        }
        server::rehearse(&loaded.config).map_err(|fault| loaded.placed(&fault).to_string())?;
        return say("OK");
    }
    let options = &loaded.config.store;
    match &flags.command {
        Some(Command::HashPassword(how)) => return hash_password(how),
        Some(Command::Check(Check {})) => return report(store::check(options)),
        Some(Command::Backup(Backup { folder })) => return report(store::backup(options, folder)),
        Some(Command::Repair(Repair {})) => return report(store::repair(options)),
        Some(Command::Migrate(_)) | None => {}
    }
    log::init(&loaded.config.log)?;
    if let Some(Command::Migrate(which)) = flags.command {
        return migrate(&which, &loaded.config.store);
    }
    panics::watch();
    for warning in loaded.warnings {
        ::log::warn!("{warning}");
    }
    let shutdown = Shutdown::new();
    let reload = Reload::new();
    watch_signals(shutdown.clone(), reload.clone())?;
    server::run(loaded.config, store::open, shutdown, reload, announce)
}

/// Says on standard output what is wrong with the store; an error if anything is.
fn report(checked: Result<store::CheckReport, store::Error>) -> Result<(), String> {
    let checked = checked.map_err(|error| error.to_string())?;
    for fault in &checked.faults {
        say(fault)?;
    }
    say(&format!("{} messages, {} octets", checked.messages, checked.bytes))?;
    match checked.fault_count {
        0 => Ok(()),
        1 => Err("1 fault".into()),
        faults => Err(format!("{faults} faults")),
    }
}

fn announce(addresses: Addresses) {
    notify::ready();
    let mut text = format!("smtpd {VERSION}");
    for url in addresses.smtp {
        text.push_str(&format!("\n  SMTP    {url}"));
    }
    for url in addresses.pop3 {
        text.push_str(&format!("\n  POP3    {url}"));
    }
    // Whoever closed our standard output still wants the mail.
    let _ = say(&format!("{text}\n  Web UI  {}", addresses.http));
}

/// The first SIGTERM or SIGINT drains, a second one ends at once, SIGHUP reopens the log
/// and reads certificates again.
fn watch_signals(shutdown: Shutdown, reload: Reload) -> Result<(), String> {
    let mut signals = Signals::new([Signal::Term, Signal::Int, Signal::Hup])
        .map_err(|error| format!("cannot watch signals: {error}"))?;
    let watch = move || {
        smol::block_on(async {
            while let Some(signal) = signals.next().await {
                match signal {
                    Ok(Signal::Hup) => {
                        reopen_log();
                        reload.ask();
                    }
                    Ok(signal) if shutdown.has_begun() => {
                        ::log::warn!(signal:? = signal; "second signal: ending at once");
                        std::process::exit(1);
                    }
                    Ok(signal) => {
                        ::log::info!(signal:? = signal; "ending: finishing what is under way");
                        shutdown.begin();
                    }
                    Err(error) => ::log::error!(error:% = error; "watching signals"),
                }
            }
        });
    };
    // A thread of its own: a signal must be heard even when every other thread is busy.
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(watch)
        .map(drop)
        .map_err(|error| format!("cannot watch signals: {error}"))
}

fn reopen_log() {
    match log::reopen() {
        Ok(()) => ::log::info!("log reopened"),
        Err(error) => eprintln!("smtpd: log.file: cannot reopen: {error}"),
    }
}

fn hash_password(how: &HashPassword) -> Result<(), String> {
    if how.scram && how.token {
        return Err("hash-password: expected --scram or --token, not both".into());
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        eprint!("Password (it will be shown): ");
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line).map_err(|error| error.to_string())?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err("hash-password: expected a password on standard input".into());
    }
    let password = Secret::new(password);
    say(&match how {
        HashPassword { token: true, .. } => String::from(TokenHash::new(&password)),
        HashPassword { scram: true, .. } => Stored::scram(&password)?.into(),
        _ => Stored::argon2(&password)?.into(),
    })
}

fn migrate(which: &Migrate, configured: &store::Options) -> Result<(), String> {
    let to = migrate::store_options(&which.to, configured)?;
    let from = store::open_existing(&migrate::store_options(&which.from, configured)?)
        .map_err(|error| error.to_string())?;
    // Each message of MongoDB waits for a round trip, and ids of SQLite are the order of commits.
    let at_once = if to.kind == store::Kind::Mongodb { 64 } else { 1 };
    let to = store::open(&to).map_err(|error| error.to_string())?;
    let progress = |done, all| eprintln!("{done} of {all} messages");
    smol::block_on(async {
        let migrated = migrate::run(&*from, &*to, at_once, progress).await;
        let closed = (from.close().await, to.close().await);
        let migrate::Migrated { copied, present, gone } =
            migrated.map_err(|error| format!("migrate: {error}; begin again to go on"))?;
        closed.0.and(closed.1).map_err(|error| format!("closing the store: {error}"))?;
        say(&format!("{copied} copied, {present} were there already, {gone} vanished meanwhile"))
    })
}

fn say(text: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{text}").map_err(|error| error.to_string())
}
