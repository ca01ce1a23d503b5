//! How long HTML that nobody would send takes to be made safe, in processor time, and how much memory: more
//! than 1 s or 256 MB is a fault. Each in a process of its own, cut where a page cuts it.
//!
//! ```text
//! cd benches/pure && cargo bench --bench monsters
//! ```

use std::{env, fs, process::Command};

use smtpd::message::{
    html::{Options, Scheme, sanitise},
    text, trackers,
};

fn main() {
    match env::var(MONSTER) {
        Ok(name) => measure(&name),
        Err(_) => all(),
    }
}

fn all() {
    let program = env::current_exe().expect("a name of this program");
    println!("| HTML | octets | shown as | seconds | MB |\n|---|---|---|---|---|");
    let mut is_over = false;
    for (name, _) in MONSTERS {
        let child = Command::new(&program).env(MONSTER, name).status().expect("this program again");
        is_over |= !child.success();
    }
    assert!(!is_over, "some took more than {MOST_SECONDS} s or {MOST_MEGABYTES} MB");
}

/// One of them, in light, forced dark and with remote content: the slowest of the three counts.
fn measure(name: &str) {
    let (_, make) = MONSTERS.iter().find(|(known, _)| *known == name).expect("a monster");
    let whole = make();
    let html = text::beginning(&whole, SHOWN);
    let (mut slowest, mut shown) = (0.0_f64, "HTML");
    let before = memory("VmRSS:");
    for (remote, scheme) in [(false, Scheme::Light), (false, Scheme::Forced), (true, Scheme::Dark)]
    {
        let began = processor();
        let made = sanitise(html, &Options { remote, scheme, ..Options::default() });
        let found = trackers(html, &["bob@example.org"]);
        slowest = slowest.max(processor() - began);
        assert!(found.len() <= html.len());
        if made.is_text {
            shown = "its text";
        }
    }
    let used = memory("VmHWM:").saturating_sub(before) / 1_000;
    println!("| {name} | {} | {shown} | {slowest:.2} | {used} |", whole.len());
    assert!(slowest <= MOST_SECONDS && used <= MOST_MEGABYTES, "{name} is over");
}

/// Seconds of processor time until now, so that what else the machine does counts for little.
fn processor() -> f64 {
    let times = fs::read_to_string("/proc/thread-self/schedstat").expect("times");
    let spent: u64 = times.split(' ').next().and_then(|it| it.parse().ok()).expect("a number");
    spent as f64 / 1e9
}

/// A line of what the kernel knows of this process, in KB.
fn memory(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let found = status.lines().find_map(|it| it.strip_prefix(line)).expect("this line");
    found.trim().trim_end_matches(" kB").parse().expect("a number")
}

const MONSTER: &str = "SMTPD_MONSTER";
const MOST_SECONDS: f64 = 1.0;
const MOST_MEGABYTES: u64 = 256;

/// Octets of HTML that a page takes at most.
const SHOWN: usize = 2 * 1024 * 1024;

const ROW: &str = "<tr><td style=\"color:red\"><a href=\"https://a.example/x\">word</a> \
    <img src=\"http://b.example/open.gif\" width=1></td></tr>\r\n";

/// As many slashes as there are in a picture, and a line of it.
const BASE64: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUl/QVR42mNk+M9QDwADhgGAWjR9";

fn many(piece: &str, times: usize) -> String {
    piece.repeat(times)
}

fn numbered(times: usize, piece: fn(usize) -> String) -> String {
    (0..times).map(piece).collect()
}

type Make = fn() -> String;

const MONSTERS: &[(&str, Make)] = &[
    ("a table of 50 MB", || "<table>".to_owned() + &many(ROW, 410_000)),
    ("50 MB of text", || many("Some words and no markup at all. ", 1_500_000)),
    ("50 MB of &amp;", || many("&amp;", 10_000_000)),
    ("50 MB of no-break spaces", || many("\u{a0}", 25_000_000)),
    ("100,000 div in one another", || many("<div>", 100_000)),
    ("100,000 b in one another", || many("<b>", 100_000)),
    ("100,000 a with href in one another", || many("<a href=x>", 100_000)),
    ("100,000 tables in one another", || many("<table><tr><td>", 100_000)),
    ("100,000 svg in one another", || many("<svg><g>", 50_000)),
    ("100,000 select, option", || many("<select><option>", 50_000)),
    ("1,900 div in one another, 20,000 li", || many("<div>", 1_900) + &many("<li>x", 20_000)),
    ("a style sheet of 10 MB", || {
        "<style>".to_owned() + &many("a.b > c { color: red; background: url(x.png) }\n", 213_000)
    }),
    ("a style sheet of 10 MB in the body", || {
        "<p><style>".to_owned() + &many("a{background:url(http://b.example/x)}", 270_000)
    }),
    ("a style sheet of 10 MB of imports", || {
        "<style>".to_owned() + &many("@import url(http://b.example/x.css);\n", 270_000)
    }),
    ("a style sheet of 10 MB of braces", || "<style>".to_owned() + &many("a{", 5_000_000)),
    ("a style sheet of 10 MB of parentheses", || "<style>a{b:".to_owned() + &many("c(", 5_000_000)),
    ("a style sheet of 10 MB of questions", || {
        "<style>".to_owned() + &many("@media (prefers-color-scheme:dark){", 280_000)
    }),
    ("1,000,000 declarations in one attribute", || {
        format!("<p style=\"{}\">", many("color:red;", 1_000_000))
    }),
    ("1,000,000 declarations that load", || {
        format!("<p style=\"{}\">", many("background:url(x);", 1_000_000))
    }),
    ("1,000,000 declarations in a sheet", || {
        format!("<style>a{{{}}}</style>", many("color:#fff;", 1_000_000))
    }),
    ("100,000 attributes of one tag", || {
        format!("<p {}>", numbered(100_000, |n| format!("a{n} ")))
    }),
    ("everything unclosed", || many("<p><b><i><font color=red><table><tr><td><a href=x>x", 40_000)),
    ("everything closed wrongly", || many("<a><b><i><u><s><tt><em><p></a></b></i>x</p>", 50_000)),
    ("a value that never ends", || "<a href=\"".to_owned() + &many("x&amp;y/", 300_000)),
    ("a comment that never ends", || "<p>x<!--".to_owned() + &many("<b>- ->", 300_000)),
    ("2,000,000 less-than signs", || many("<", 2_000_000)),
    ("400,000 ends of nothing", || many("</p>", 500_000)),
    ("100,000 pictures", || many("<img src=http://b.example/x>", 100_000)),
    ("a picture of 2 MB as data:", || {
        format!("<p><img src=\"data:image/png;base64,{}\">", many(BASE64, 24_900))
    }),
    ("the same over lines", || {
        format!("<p><img src=\"data:image/png;base64,{}\">", many(&format!("{BASE64}\r\n"), 24_900))
    }),
    ("a set of 100,000 pictures", || format!("<img srcset=\"{}\">", many("a.png 1x, ", 100_000))),
];
