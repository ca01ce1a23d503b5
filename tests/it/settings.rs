//! The configuration: defaults, overrides, and broken files with their messages.

use std::{fs, path::Path, process::Command};

use smtpd::config::Config;
use toml::{Table, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Config::from_text("smtpd.toml", text, environment)
        .map(|loaded| loaded.config)
        .map_err(|error| error.to_string())
}

#[test]
fn the_shipped_file_is_complete_and_equals_the_defaults() {
    let text = fs::read_to_string(root().join("etc/smtpd.toml")).unwrap();
    assert_eq!(load(&text, &[]).unwrap(), Config::default());
    let shipped: Table = toml::from_str(&text).unwrap();
    let defaults = Table::try_from(Config::default()).unwrap();
    for path in paths(&defaults) {
        let shipped = Value::Table(shipped.clone());
        let found = path.iter().try_fold(&shipped, |value, key| value.get(key)).is_some();
        assert!(found, "etc/smtpd.toml lacks {}", path.join("."));
    }
}

/// Every key, with the sections that it stands in.
fn paths(table: &Table) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (key, value) in table {
        match value.as_table().filter(|keys| !keys.is_empty()) {
            None => all.push(vec![key.clone()]),
            Some(keys) => {
                all.extend(paths(keys).into_iter().map(|rest| [vec![key.clone()], rest].concat()));
            }
        }
    }
    all
}

#[test]
fn every_key_can_be_overridden_by_the_environment() {
    let defaults = Table::try_from(Config::default()).unwrap();
    for path in paths(&defaults) {
        let variable = format!("SMTPD_{}", path.join("_")).to_uppercase();
        let loaded = Config::from_text("", "", [(variable.clone(), "=".to_owned())]);
        // A string key takes it, every other one says what it expected; none is unknown.
        if let Ok(loaded) = loaded {
            assert_eq!(loaded.warnings, Vec::<String>::new(), "{variable}");
        }
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "[limits]\nrecipients = 5\nconnections = 6\n[log]\nlevel = \"warn\"";
    let environment = [
        ("SMTPD_LIMITS_RECIPIENTS", "7"),
        ("SMTPD_SMTP_LISTEN", "[::1]:26"),
        ("SMTPD_STORE_KIND", "memory"),
        ("SMTPD_STORE_MONGODB_DATABASE", "mail"),
        ("SMTPD_LOG_LEVEL", "debug"),
        ("PATH", "/bin"),
    ];
    let config = load(file, &environment).unwrap();
    assert_eq!((config.limits.recipients, config.limits.connections), (7, 6));
    assert_eq!(config.store.mongodb.database, "mail");
    assert_eq!(String::from(config.smtp.listen), "[::1]:26");
    assert_eq!(config.log.level, smtpd::log::Verbosity::Debug);
}

#[test]
fn a_wrong_variable_is_named() {
    let error = load("", &[("SMTPD_LIMITS_RECIPIENTS", "many")]).unwrap_err();
    assert!(error.contains("SMTPD_LIMITS_RECIPIENTS"), "{error}");
    assert!(error.contains("expected a whole number"), "{error}");
    let error = load("", &[("SMTPD_LIMITS_RECIPIENTS", "0")]).unwrap_err();
    assert!(error.contains("SMTPD_LIMITS_RECIPIENTS: expected at least 1"), "{error}");
}

#[test]
fn a_list_in_a_variable_may_stand_as_in_the_file() {
    let load = |text: &str| {
        let variables = [("SMTPD_POLICY_BLOCK_BODY".to_owned(), text.to_owned())];
        Config::from_text("", "", variables).map(|loaded| loaded.config.policy.block_body)
    };
    for (text, list) in [
        ("[\"viagra\", 'a,b']", "[\"viagra\", \"a,b\"]"),
        ("viagra, [a-z]+x", "[\"viagra\", \"[a-z]+x\"]"),
    ] {
        let file = format!("[policy]\nblock_body = {list}");
        let in_file = Config::from_text("", &file, []).unwrap().config.policy.block_body;
        assert_eq!(format!("{:?}", load(text).unwrap()), format!("{in_file:?}"), "{text}");
        assert_eq!(in_file.len(), 2);
    }
    for broken in ["[\"viagra\"", "[\"viagra\", 1]", "['a'] x"] {
        let error = load(broken).unwrap_err().to_string();
        assert!(error.contains("SMTPD_POLICY_BLOCK_BODY"), "{broken}: {error}");
    }
    let empty = [("SMTPD_STORE_PATH".to_owned(), String::new())];
    let error = Config::from_text("", "", empty).unwrap_err().to_string();
    assert_eq!(error, "environment variable SMTPD_STORE_PATH: expected a folder");
}

#[test]
fn an_unknown_variable_is_told_but_no_error() {
    let variables = [("SMTPD_PORT".to_owned(), "tcp://10.0.0.1:25".to_owned())];
    let loaded = Config::from_text("", "", variables).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains("SMTPD_PORT"));
}

/// Each file of tests/configs is broken in one way; its first line is `# ` and the message expected,
/// without the folder.
#[test]
fn broken_files_say_where_and_what_was_expected() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join("tests/configs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        let error = Config::from_text(name, &text, []).unwrap_err().to_string();
        assert_eq!(error, expected, "{name}");
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} broken files");
}

#[test]
fn file_and_environment_are_checked_together() {
    let file = "[auth]\nmode = \"required\"";
    let hash = "ann=$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$\
        gQfNxiGVmgkJNtPTmFiJRp3TiTDdzF0qoVFUbnqrLvs";
    assert!(load(file, &[]).unwrap_err().starts_with("smtpd.toml:2: auth.mode: "));
    load(file, &[("SMTPD_AUTH_USERS", hash)]).unwrap();
    let variables = [("SMTPD_AUTH_MODE".to_owned(), "required".to_owned())];
    let error = Config::from_text("", "", variables).unwrap_err().to_string();
    assert!(error.starts_with("environment variable SMTPD_AUTH_MODE: "), "{error}");
    let variables = [("SMTPD_SMTP_TLS".to_owned(), "offered".to_owned())];
    let error = Config::from_text("", "", variables).unwrap_err().to_string();
    assert!(error.starts_with("tls.certificate: "), "{error}");
}

/// What the start would find is found before it, with the place.
#[test]
fn what_a_start_would_try_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smtpd.toml");
    fs::write(folder.path().join("users"), "ann\n").unwrap();
    fs::write(folder.path().join("empty.pem"), "").unwrap();
    let check = |text: &str, environment: &[(&str, &str)]| {
        fs::write(&path, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_smtpd"));
        command.current_dir(folder.path()).args(["--check-config", "--config", "smtpd.toml"]);
        let output = command.envs(environment.iter().copied()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(check("[http]\npublic_hosts = [\"Mail.example.\"]\n", &[]).0);
    let tls = "[http]\ntls = \"on\"\n[tls]\n";
    for (text, expected) in [
        (
            format!("{tls}certificate = \"/nonexistent/=cert.pem\"\nkey = \"key.pem\""),
            "smtpd.toml:4: tls.certificate: cannot use /nonexistent/=cert.pem: No such file",
        ),
        (
            format!("{tls}certificate = \"empty.pem\"\nkey = \"key.pem\""),
            "smtpd.toml:4: tls.certificate: cannot use empty.pem: it holds no certificate",
        ),
        (
            "[auth]\nusers_file = \"missing\"".to_owned(),
            "smtpd.toml:2: auth.users_file: cannot read missing: No such file",
        ),
        (
            "[auth]\nusers_file = \"users\"".to_owned(),
            "smtpd.toml:2: auth.users_file: users:1: expected name:hash",
        ),
        ("[server]\nuser = \"nobody-is-called-so\"".to_owned(), "smtpd.toml:2: server.user: "),
        (
            "[log]\nfile = \"missing/log\"".to_owned(),
            "smtpd.toml:2: log.file: cannot open missing/log",
        ),
    ] {
        let (good, told) = check(&text, &[]);
        assert!(!good && told.starts_with(&format!("smtpd: {expected}")), "{text}: {told}");
    }
    let (good, told) = check("", &[("SMTPD_AUTH_USERS_FILE", "missing")]);
    let expected =
        "smtpd: environment variable SMTPD_AUTH_USERS_FILE: auth.users_file: cannot read";
    assert!(!good && told.starts_with(expected), "{told}");
}
