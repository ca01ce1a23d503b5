//! What style sheets keep, and what they lose.

use std::sync::Arc;

use super::*;
use crate::message::html::{Options, Reference, Scheme};

fn options(remote: bool, scheme: Scheme) -> Options {
    let part = |reference: Reference<'_>| {
        (reference == Reference::ContentId("known")).then(|| "/part".to_owned())
    };
    Options { remote, scheme, part: Arc::new(part), location: String::new() }
}

fn rewritten(css: &str, remote: bool, scheme: Scheme) -> (String, usize) {
    let options = options(remote, scheme);
    let filter = Filter::new(&options, "");
    let css = sheet(css, &filter).into_owned();
    (css, filter.blocked_count())
}

#[track_caller]
fn check(css: &str, expected: &str, blocked: usize) {
    let found = rewritten(css, false, Scheme::Light);
    assert_eq!((found.0.as_str(), found.1), (expected, blocked), "{css}");
}

#[test]
fn what_loads_nothing_stays_to_the_letter() {
    for css in [
        "p { color: red; margin: 0 }",
        "@media (max-width: 600px) { .a > b { width: 100% !important } }",
        "@media (400px <= width < 600px) { a { b: c } }",
        "a::before { content: \"; } {\" } b::after { content: \"\\201C\" }",
        ".sm\\:w-full { width: 100% } .w-1\\/2 { width: 50% }",
        ":root { --x: 1px; --y: {a:b} } p { width: calc(var(--x) * 2); margin: var(--z, 1px) }",
        "@supports (display: grid) and (not (color: red)) { p { display: grid } }",
        "@layer base, theme; @layer base { p { color: red } } @container (width > 1px) { a { b: c } }",
        ".card { & > p { color: red } &:hover { color: blue } @media print { color: black } }",
        "background: url(data:image/png;base64,AAAA)",
        "fill: url(#gradient); filter: url(\"#f\")",
        "/* a comment */ a { b: c } <!-- d { e: f } -->",
        "@keyframes x { from { left: 0 } 50.5% { left: 1px } }",
        "a { b: c",
        "} a { b: c }",
    ] {
        check(css, css, 0);
    }
}

#[test]
fn what_loads_becomes_nothing_at_its_place() {
    let hero = "p { background: #102030 url(http://x.example/a.png) no-repeat; color: #fff }";
    check(hero, "p { background: #102030 url(data:,) no-repeat; color: #fff }", 1);
    check("background:URL( '//x.example/' )", "background:url(data:,)", 1);
    check(
        "@font-face { src: url(//x.example/f) format(\"woff\") }",
        "@font-face { src: url(data:,) format(\"woff\") }",
        1,
    );
    check(
        "background: image-set('http://x.example/' 1x)",
        "background: image-set(\"data:,\" 1x)",
        1,
    );
    check("a { b: u\\72l(http://x.example/) }", "a { b: url(data:,) }", 1);
    check("a { b: u/**/rl(http://x.example/) }", "a { b: u/**/rl(http://x.example/) }", 0);
    check("a: url(http://x.example/;b:c", "a: url(data:,)", 1);
    check("--x: url(http://x.example/)", "--x: url(data:,)", 1);
    check("-webkit-mask: url(http://x.example/a) center", "-webkit-mask: none center", 1);
    check("background: url(cid:x)", "background: url(data:,)", 0);
    check("background: url(javascript:x)", "background: url(data:,)", 0);
    check("background: image-set(var(--x) 1x)", "background: image-set(\"data:,\" 1x)", 0);
    check("background: src(var(--x))", "background: url(data:,)", 0);
    check("b: url('http://x.example/\n) c", "b: url(data:,) c", 0);
    check("b: url('http://x.example/' x) c", "b: url(data:,) c", 0);
    check("url('http://x.example/\na", "url(data:,)", 0);
    check("a: expression(alert(1)); b: c", "a: none; b: c", 0);
}

/// A semicolon that is left takes the next rule away with it.
#[test]
fn a_rule_that_goes_takes_its_semicolon() {
    check("@import 'http://x.example/a.css'; p {}", " p {}", 1);
    check("@import url(http://x.example/a.css) layer(a) screen;p {}", "p {}", 1);
    check("@im\\port 'http://x.example/a.css';", "", 1);
    check("@charset \"UTF-8\"; .a { b: c }", " .a { b: c }", 0);
    check("@namespace url(http://www.w3.org/1999/xhtml);a{}", "a{}", 0);
    check("@media print { @import 'http://x.example/a.css'; p {} }", "@media print {  p {} }", 1);
    check("@import 'http://x.example/a.css'", "", 1);
}

#[test]
fn nothing_gets_out_of_the_element() {
    check("p { } </style><script>", "p { } <\\/style><script>", 0);
    check("a { content: '</style>' }", "a { content: '<\\/style>' }", 0);
    check(&format!("a {}", "(".repeat(5_000)), &format!("a {}", "(".repeat(40)), 0);
}

#[test]
fn remote_loads_may_be_allowed() {
    for css in [
        "p { background: url(\"https://x.example/a.png\") }",
        "@import \"http://x.example/a.css\" screen;",
        "@import url(\"http://x.example/a.css\");",
        "@font-face { src: url(https://x.example/f) }",
    ] {
        let (out, blocked) = rewritten(css, true, Scheme::Light);
        assert_eq!(
            (out.replace("url(\"http://x.example/a.css\")", "\"http://x.example/a.css\""), blocked),
            (css.replace("url(\"http://x.example/a.css\")", "\"http://x.example/a.css\""), 0)
        );
    }
}

#[test]
fn parts_of_the_message_are_shown() {
    check(
        "a { b: url(cid:known) c; d: URL( 'cid:known' ) }",
        "a { b: url(\"/part\") c; d: url(\"/part\") }",
        0,
    );
    check("b: url(\"cid:known\"), url(http://x.example/)", "b: url(\"/part\"), url(data:,)", 1);
    check("b: url(cid:known", "b: url(\"/part\")", 0);
}

#[test]
fn dark_and_light() {
    let css = "@media (prefers-color-scheme:dark) and (min-width:1px){a{b:c}}\
        @media not all and (Prefers-Color-Scheme : light) {d{e:f}} :root{color-scheme:light dark}";
    let dark = "@media (min-width:0) and (min-width:1px){a{b:c}}\
        @media not all and (max-width:0) {d{e:f}} :root{color-scheme:dark}";
    assert_eq!(rewritten(css, false, Scheme::Dark).0, dark);
    let light = "@media (max-width:0) and (min-width:1px){a{b:c}}\
        @media not all and (min-width:0) {d{e:f}} :root{color-scheme:light}";
    assert_eq!(rewritten(css, false, Scheme::Light).0, light);
    check(":root { color-scheme: only light }", ":root { color-scheme: light }", 0);
}

#[test]
fn forced_dark_changes_colours_alone() {
    let css =
        "p { color: #000; background: white url(x.png); border: 1px solid black; width: 10px }";
    let (out, _) = rewritten(css, false, Scheme::Forced);
    assert!(out.starts_with("p { color: #ffffff; background: #141414 url("), "{out}");
    assert!(out.ends_with("; width: 10px }") && !out.contains("black"), "{out}");
}

/// A question is looked for at the beginning of a parenthesis, and nowhere else.
#[test]
fn a_question_is_known_however_it_is_written() {
    for question in [
        "prefers-color-scheme:dark",
        " /**/ Prefers-color-scheme : dark",
        "\\70 refers-color-\\73 cheme:dark",
    ] {
        check(&format!("@media ({question}) {{}}"), "@media (max-width:0) {}", 0);
    }
    check("a{b:(prefers-color:dark)}", "a{b:(prefers-color:dark)}", 0);
}

/// What nobody can read here would be read on a colour that nobody knows.
#[test]
fn forced_dark_knows_every_colour() {
    // A ground of `html` would keep that of `body` from filling the window.
    assert!(
        !dark_page().split('}').any(|rule| rule.starts_with("html") && rule.contains("background"))
    );
    for (css, expected) in [
        ("color: oklch(0.2 0.1 20)", "color: #e8e8e8"),
        ("background: color-mix(in srgb, #fff, red 10%)", "background: #121212"),
        ("background-color: var(--paper, #fff)", "background-color: #121212"),
        ("color: rgb(var(--r), 0, 0)", "color: #e8e8e8"),
        ("border: var(--width) solid lab(50% 40 59.5)", "border: var(--width) solid #666666"),
        ("background-size: var(--size)", "background-size: var(--size)"),
    ] {
        assert_eq!(rewritten(css, false, Scheme::Forced).0, expected);
        assert_eq!(rewritten(css, false, Scheme::Dark).0, css);
    }
}
