//! deploy/: what is shipped there is read by the programs that it is for.

use std::{fs, process::Command};

use super::server::Database;
use crate::harness::{self, Client, Server, eventually, free_ports, have, run};

/// The nginx of docker-compose.yml, with the addresses of two smtpd put in, before both of them.
#[test]
fn nginx_spreads_mail_and_pages_over_two() {
    if !have(&["nginx"]) {
        return;
    }
    let Some(database) = Database::new() else { return };
    let start = || {
        Server::start(&[
            ("SMTPD_STORE_KIND", "mongodb"),
            ("SMTPD_STORE_MONGODB_URI", &database.uri),
            ("SMTPD_STORE_MONGODB_DATABASE", &database.name),
            ("SMTPD_SMTP_PROXY", "true"),
            ("SMTPD_SMTP_PROXIES", "127.0.0.1/32"),
            ("SMTPD_HTTP_PROXIES", "127.0.0.1/32"),
        ])
    };
    let (mut one, two) = (start(), start());
    let [smtp, http] = free_ports();
    let folder = tempfile::tempdir().unwrap();
    let modules = "/usr/lib/nginx/modules/ngx_stream_module.so";
    let load = if fs::exists(modules).unwrap() {
        format!("load_module {modules};\n")
    } else {
        String::new()
    };
    let text = fs::read_to_string(harness::file("deploy/nginx.conf")).unwrap();
    let text = text
        .replace("smtpd1:25000", &one.smtp.to_string())
        .replace("smtpd2:25000", &two.smtp.to_string())
        .replace("smtpd1:10025", &one.http.to_string())
        .replace("smtpd2:10025", &two.http.to_string())
        .replace("listen 25;", &format!("listen 127.0.0.1:{smtp};"))
        .replace("listen 80;", &format!("listen 127.0.0.1:{http};"))
        .replace("http {", "http {\n    access_log off;");
    let place = folder.path().display();
    let text = format!("{load}daemon on;\npid {place}/pid;\nerror_log {place}/log;\n{text}");
    let file = folder.path().join("nginx.conf");
    fs::write(&file, text).unwrap();
    run(Command::new("nginx").arg("-e").arg(folder.path().join("log")).arg("-c").arg(&file));
    let pid = || fs::read_to_string(folder.path().join("pid")).ok()?.trim().parse::<u32>().ok();
    eventually(10, "nginx has a pid", || pid().is_some());
    let send = |subject: &str| {
        let mut client = Client::connect(([127, 0, 0, 1], smtp).into());
        client.say("EHLO x").unwrap();
        client.mail(&format!("Subject: {subject}\r\n\r\nx")).unwrap()
    };
    for number in 0..6 {
        assert!(send(&format!("number {number}")).starts_with("250"));
    }
    assert!(two.client_of("number 0").starts_with("127.0.0.1:"));
    one.kill();
    assert!(send("after one was killed").starts_with("250"));
    let page =
        run(Command::new("curl").args(["-sSf", &format!("http://127.0.0.1:{http}/api/messages")]));
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains("number 5") && page.contains("after one was killed"), "{page}");
    harness::signal(pid().unwrap(), "TERM");
}

/// The configuration in the ConfigMap is one that smtpd takes.
#[test]
fn the_configuration_for_kubernetes_is_good() {
    let text = fs::read_to_string(harness::file("deploy/kubernetes/smtpd.yaml")).unwrap();
    let begin = text.find("smtpd.toml: |\n").unwrap() + "smtpd.toml: |\n".len();
    let lines = text[begin..].lines().take_while(|line| line.starts_with("    "));
    let toml: String = lines.map(|line| format!("{}\n", line.trim())).collect();
    let loaded = smtpd::config::Config::from_text("smtpd.toml", &toml, []).unwrap();
    assert_eq!(loaded.config.store.kind, smtpd::store::Kind::Mongodb);
}
