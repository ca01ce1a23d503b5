//! What a document keeps, and that nothing active comes out.

use super::*;

fn clean_in(html: &str, remote: bool, scheme: Scheme) -> Sanitised {
    let part = |reference: Reference<'_>| {
        let known = [
            Reference::ContentId("logo@a.example"),
            Reference::ContentId("a%20b@c"),
            Reference::Location("img/logo.png"),
            Reference::Location("http://a.example/l.png"),
        ];
        known.contains(&reference).then(|| "/parts/2".to_owned())
    };
    sanitise(html, &Options { remote, scheme, part: Arc::new(part), location: String::new() })
}

fn clean(html: &str) -> Sanitised {
    clean_in(html, false, Scheme::Light)
}

#[track_caller]
fn check(html: &str, expected: &str, blocked: usize) {
    let found = clean(html);
    assert_eq!((found.html.as_str(), found.blocked_remote), (expected, blocked), "{html}");
    assert_eq!(found.blocked_hosts.is_empty(), blocked == 0, "{html}");
}

#[test]
fn what_is_seen_stays_to_the_letter() {
    for html in [
        "<table width=\"600\" cellpadding=\"0\" bgcolor=\"#fff\" rules=\"all\" frame=\"box\"><tbody><tr><td align=\"center\">x</td></tr></tbody></table>",
        "<center><font color=\"red\" size=\"2\" face=\"Arial\">x</font></center><br clear=\"all\">",
        "<p style=\"color: red; margin: 16px 0\" class=\"a\">x</p>",
        "<div hidden=\"\" data-x=\"1\" aria-label=\"a\">x</div>",
        "<details open=\"\"><summary>s</summary>d</details><ruby>漢<rt>kan</rt></ruby>",
        "<nav><button>b</button><label for=\"a\">l</label><fieldset><legend>l</legend></fieldset></nav>",
        "<svg viewBox=\"0 0 9 9\"><linearGradient id=\"g\"></linearGradient><rect fill=\"url(#g)\"></rect></svg>",
        "<math><mfrac><mi>x</mi><mn>2</mn></mfrac></math>",
        "<select><option>a</option><option selected=\"\">b</option></select>",
        "<o:p>x</o:p><my-part class=\"x\">y</my-part>",
        "<style media=\"print\">p { color: red }</style><p>x</p>",
    ] {
        check(&format!("<!doctype html><body>{html}"), html, 0);
    }
    check(
        "<foo style=\"display:block\">x</foo><xmp><b></xmp>",
        "<span style=\"display:block\">x</span><pre>&lt;b&gt;</pre>",
        0,
    );
    check("<noscript><p>x</p></noscript>", "<p>x</p>", 0);
}

#[test]
fn the_document_is_the_senders() {
    let sent = "<!doctype html><html lang=ar dir=rtl class=k><head><title>t</title>\
        <style>a{b:c</style><style media=print>d{e:f}</style></head>\
        <body bgcolor=#EEE text=white link=yellow style=\"margin:0\" onload=x>x</body></html>";
    let expected = "<!DOCTYPE html><html lang=\"ar\" dir=\"rtl\" class=\"k\"><head>\
        <style>a{b:c</style><style media=\"print\">d{e:f}</style></head>\
        <body bgcolor=\"#EEE\" text=\"white\" link=\"yellow\" style=\"margin:0\">x</body></html>";
    assert_eq!(clean(sent).document(""), expected);
}

#[test]
fn the_mode_of_layout_is_kept() {
    let transitional = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \"x\">";
    for (doctype, begins) in
        [("", ""), ("<!doctype html>", "<!DOCTYPE html>"), (transitional, "<!DOCTYPE html PUBLIC")]
    {
        let found = clean(&format!("{doctype}<p>x<table><tr><td>y</table>z"));
        assert!(found.doctype.starts_with(begins) && found.doctype.is_empty() == begins.is_empty());
        // Only in quirks mode a table may stand in a paragraph.
        let table = "<table><tbody><tr><td>y</td></tr></tbody></table>";
        let expected = match doctype {
            "" => format!("<p>x{table}z</p>"),
            _ => format!("<p>x</p>{table}z"),
        };
        assert_eq!(found.html, expected);
    }
}

#[test]
fn comments_are_comments() {
    check(
        "<!--[if mso]><style>p{display:none}</style><body bgcolor=red><![endif]--><p>x",
        "<p>x</p>",
        0,
    );
    check("<![if !mso]><b>x</b><![endif]>", "<b>x</b>", 0);
    assert_eq!(
        clean("<!--[if mso]><body bgcolor=red><![endif]--><body bgcolor=blue>x").body,
        " bgcolor=\"blue\""
    );
}

/// Two parsers read it after ours, and each drops a line end behind the tag.
#[test]
fn a_line_end_at_the_beginning_is_kept() {
    check("<pre>\n\ntwo</pre>", "<pre>\n\ntwo</pre>", 0);
    check("<pre>\none</pre>", "<pre>one</pre>", 0);
}

#[test]
fn links_open_outside() {
    let attributes = "target=\"_blank\" rel=\"noopener noreferrer\"";
    for url in ["https://x.example/?a=b", "mailto:a@b.example", "tel:123", "myapp://verify?x=1"] {
        let expected = format!("<a href=\"{url}\" {attributes}>x</a>");
        check(&format!("<a href=\"{url}\" target=_top ping=x>x</a>"), &expected, 0);
    }
    check("<a href=#top target=_top>x</a>", "<a href=\"#top\">x</a>", 0);
    // They still look like links.
    for url in
        ["relative", "data:text/html,x", "file:///etc", "cid:no", "http://*|X|*/", "javascript:x"]
    {
        check(&format!("<a href=\"{url}\">x</a>"), "<a href=\"#smtpd-nowhere\">x</a>", 0);
    }
    check(
        "<base href=https://x.example/a/><a href=b>x</a>",
        &format!("<a href=\"https://x.example/a/b\" {attributes}>x</a>"),
        0,
    );
    check("<base href=javascript:x><a href=b>x</a>", "<a href=\"#smtpd-nowhere\">x</a>", 0);
}

#[test]
fn pictures() {
    check("<img src='cid:logo@a.example'>", "<img src=\"/parts/2\">", 0);
    check("<img src='CID:logo%40a.example'>", "<img src=\"/parts/2\">", 0);
    check("<img src='cid:a%20b@c'>", "<img src=\"/parts/2\">", 0);
    check("<img src=img/logo.png>", "<img src=\"/parts/2\">", 0);
    check("<img src='http://a.example/l.png'>", "<img src=\"/parts/2\">", 0);
    check("<td background='cid:logo@a.example'>", "", 0);
    check("<div background='http://x.example/'>x</div>", "<div>x</div>", 1);
    check(
        "<p style='background:#abc url(http://x.example/)'>x</p>",
        "<p style=\"background:#abc url(data:,)\">x</p>",
        1,
    );
    check(
        "<img src='data:image/svg+xml,%3Csvg%3E'>",
        "<img src=\"data:image/svg+xml,%3Csvg%3E\">",
        0,
    );
    check("<svg><image href='http://x.example/'/></svg>", "<svg><image></image></svg>", 1);
    check(
        "<video poster='http://x.example/' src=y width=9></video>",
        "<video width=\"9\"></video>",
        1,
    );
}

#[test]
fn what_is_blocked_keeps_its_place() {
    let standards = |html: &str| clean(&format!("<!doctype html>{html}"));
    let found = standards("<img src='https://x.example/a.png' width=9 alt=a>");
    assert_eq!(found.html, "<img width=\"9\" alt=\"a\" data-smtpd-missing=\"\">");
    assert!(found.head.starts_with("<style>:where(img[data-smtpd-missing])"));
    let found = standards("<img src='//x.example/a.png'>");
    assert_eq!(found.html, "<img data-smtpd-missing=\"\" src=\"data:,\">");
    assert!(standards("<img src='cid:logo@a.example'>").head.is_empty());
    let quirks = clean("<img src='https://x.example/a.png' width=90 alt='a <b>'>");
    assert!(quirks.html.contains("width='90' height='24'") && quirks.html.contains("a%20%3Cb%3E"));
}

#[test]
fn remote_content_if_wanted() {
    let html = "<img srcset=\"https://x.example/b.png 2x, https://x.example/c.png 3x\" src=\"https://x.example/a.png\">";
    let found = clean_in(html, true, Scheme::Light);
    assert_eq!(found.blocked_remote, 0);
    for url in [
        "\"https://x.example/a.png\"",
        "\"https://x.example/b.png 2x, https://x.example/c.png 3x\"",
    ] {
        assert!(found.html.contains(url), "{}", found.html);
    }
    let link = "<link rel=\"stylesheet\" href=\"https://x.example/a.css\">";
    let head = format!("<head>{link}<link rel=icon href=https://x.example/i></head>");
    let found = clean_in(&head, true, Scheme::Light);
    assert_eq!((found.head.as_str(), found.taken.get(&Taken::Resource)), (link, Some(&1)));
    assert_eq!((clean(&head).head.as_str(), clean(&head).blocked_remote), ("", 1));
}

#[test]
fn what_was_taken_out_is_counted() {
    let found = clean(
        "<script>x</script><p onclick=a onload=b><form action=x><iframe></iframe><embed><meta http-equiv=refresh content=0>",
    );
    let expected = [
        (Taken::Script, 1),
        (Taken::Handler, 2),
        (Taken::Frame, 1),
        (Taken::Plugin, 1),
        (Taken::Form, 1),
        (Taken::Order, 1),
    ];
    assert_eq!(found.taken, BTreeMap::from(expected));
    assert_eq!(clean("<p>x</p>").taken, BTreeMap::new());
}

#[test]
fn dark_is_the_senders_or_said_to_be_none() {
    let ours = "<meta name=color-scheme content='light dark'><p>x";
    assert!(clean(ours).has_dark && !clean("<p>x").has_dark);
    assert_eq!(
        clean_in(ours, false, Scheme::Dark).head,
        "<meta name=\"color-scheme\" content=\"dark\">"
    );
    assert_eq!(clean_in("<p>x", false, Scheme::Dark).document(""), clean("<p>x").document(""));
    let forced = clean_in("<body bgcolor=white><font color=black>x", false, Scheme::Forced);
    assert_eq!(
        (forced.body.as_str(), forced.html.as_str()),
        (" bgcolor=\"#141414\"", "<font color=\"#ffffff\">x</font>")
    );
}

/// What no output may contain as markup, whatever went in.
#[track_caller]
fn check_harmless(html: &str) {
    for remote in [false, true] {
        let found = clean_in(html, remote, Scheme::Light);
        let out = found.document("");
        check_markup(&out, remote, html);
        let again = clean_in(&out, remote, Scheme::Light).document("");
        check_markup(&again, remote, html);
    }
}

#[track_caller]
fn check_markup(out: &str, remote: bool, html: &str) {
    let tree = parse(out).unwrap();
    for (name, attributes) in tree.elements() {
        let local = &*name.local;
        let known = [known::HTML, drawing::SVG, drawing::MATH, &["html", "head", "body"]].concat();
        assert!(known.contains(&local) || local.contains(['-', ':']), "<{local}>: {html}\n{out}");
        for attribute in attributes {
            let (attribute, value) = (&*attribute.name.local, &*attribute.value);
            let context = format!("{attribute}={value}: {html}\n{out}");
            assert!(
                !attribute.starts_with("on") && attribute != "srcdoc" && attribute != "action",
                "{context}"
            );
            let lower = value.trim().to_ascii_lowercase();
            let begins = |starts: &[&str]| starts.iter().any(|start| lower.starts_with(start));
            match attribute {
                "href" if local == "a" || local == "area" => {
                    assert!(
                        begins(&["http:", "https:", "mailto:", "tel:", "#", "/parts/"]),
                        "{context}"
                    );
                }
                "href" | "src" | "poster" | "background" => {
                    assert!(
                        begins(&["data:image/", "data:,", "/parts/", "#"])
                            || (remote && begins(&["http"])),
                        "{context}"
                    );
                }
                "style" => check_css(&lower, remote, out),
                "method" => assert_eq!(value, "dialog"),
                _ => {}
            }
        }
    }
    let sheets = out.split("<style").skip(1).filter_map(|sheet| sheet.split_once("</style>"));
    sheets.for_each(|(sheet, _)| check_css(&sheet.to_ascii_lowercase(), remote, out));
}

#[track_caller]
fn check_css(css: &str, remote: bool, out: &str) {
    assert!(!css.contains("</") && !css.contains("expression("), "{out}");
    for bad in ["url(http", "url(\"http", "url('http", "url(//"] {
        assert!(remote || !css.contains(bad), "{bad}: {out}");
    }
    // Only where a statement begins it is an order.
    for (at, _) in css.match_indices("@import") {
        let before = css[..at].trim_end().chars().next_back();
        assert!(remote || before.is_some_and(|c| !";{}".contains(c)), "{out}");
    }
}

#[test]
fn nothing_active_comes_out() {
    for html in NASTY {
        check_harmless(html);
    }
}

/// Each one inside whatever state the one before it left the parsers in.
#[test]
fn nothing_active_comes_out_of_pairs() {
    for first in NASTY {
        for second in NASTY {
            check_harmless(&format!("{first}{second}"));
        }
    }
}

/// The second wall, given what no first wall would let through.
#[test]
fn the_second_wall_holds_alone() {
    for html in NASTY {
        let markup = format!("<{ROOT}></{ROOT}><{BODY}>{html}</{BODY}>");
        let out = second::cleaned(&markup, &walk::Spoken::default(), false).to_ascii_lowercase();
        let tree = parse(&out).unwrap();
        for (name, attributes) in tree.elements() {
            assert!(
                !matches!(&*name.local, "script" | "iframe" | "object" | "embed"),
                "{html}\n{out}"
            );
            for attribute in attributes {
                let (name, value) = (&*attribute.name.local, attribute.value.trim_start());
                assert!(
                    !name.starts_with("on") && !value.starts_with("javascript"),
                    "{html}\n{out}"
                );
                let loads = matches!(name, "src" | "poster" | "background");
                assert!(!(loads && value.starts_with("http")), "{html}\n{out}");
            }
        }
    }
}

const NASTY: [&str; 70] = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.example/a.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script>alert(1)",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror\n=alert(1)//",
    "<img/src='x'/onerror=alert(1)>",
    "<img src=\"javascript:alert(1)\">",
    "<img src=`javascript:alert(1)`>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\"jav&#x09;ascript:alert(1)\">x</a>",
    "<a href=\"jav&#x0A;ascript:alert(1)\">x</a>",
    "<a href=\" &#14; javascript:alert(1)\">x</a>",
    "<a href=\"&#106;&#97;&#118;&#97;script:alert(1)\">x</a>",
    "<a href='JaVaScRiPt&colon;alert(1)'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
    "<a href=\"x\" onclick=alert(1) onmouseover='alert(1)'>x</a>",
    "<body onload=alert(1)>x",
    "<body background='javascript:alert(1)' style='background:url(javascript:alert(1))'>x",
    "<body bgcolor='\"><script>alert(1)</script>'>x",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<frameset><frame src='javascript:alert(1)'></frameset>",
    "<object data='x.swf'><param name=a value=b></object>",
    "<embed src='x.swf'>",
    "<applet code=x></applet>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<link rel=stylesheet href=//x.example/a.css>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href='javascript:alert(1)//'><a href='/x'>x</a>",
    "<form action='javascript:alert(1)'><input type=submit formaction='javascript:x'></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<isindex action=javascript:alert(1)>",
    "<style>@import 'http://x.example/a.css';</style>",
    "<style>@im\\port 'http://x.example/a.css';</style>",
    "<style>p{background:url(http://x.example/)}</style>",
    "<style>p{background:u\\72l(http://x.example/)}</style>",
    "<style>p{width:expr/**/ession(alert(1))}</style>",
    "<style></style><script>alert(1)</script>",
    "<style><!--</style><img src=x onerror=alert(1)>--></style>",
    "<style>a{content:'</style><script>alert(1)</script>'}</style>",
    "<style>a{}</st<style></style>yle><script>alert(1)</script>",
    "<sty<style></style>le>a{b:url(http://x.example/)}</style>",
    "<style/onload=alert(1)>a{}</style>",
    "<style>never closed <script>alert(1)</script>",
    "<p style=\"behavior:url(x.htc)\">x</p>",
    "<p style=\"a:'\"onmouseover=alert(1)>x</p>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<textarea><p title=\"</textarea><img src=x onerror=alert(1)>\">",
    "<title><p title=\"</title><img src=x onerror=alert(1)>\">",
    "<xmp><p title=\"</xmp><img src=x onerror=alert(1)>\">",
    "<![CDATA[<script>alert(1)</script>]]><!--><script>alert(1)</script>-->",
    "<template><script>alert(1)</script></template><div id=x tabindex=1 onfocus=alert(1)>\0<",
    "<svg><animate attributeName=href values='javascript:alert(1)'/><set attributeName=onclick to=alert(1) /></svg>",
    "<svg><foreignObject><body><img src=x onerror=alert(1)></foreignObject></svg>",
    "<svg><desc><style><img src=x onerror=alert(1)></style></desc><title><img src=x onerror=alert(1)></title></svg>",
    "<math><annotation-xml encoding='text/html'><img src=x onerror=alert(1)></annotation-xml></math>",
    "<svg><use href='http://x.example/a.svg#x'/><image href='http://x.example/a.png'/></svg>",
    "<video src=http://x.example/v poster=http://x.example/p onplay=alert(1)><source src=http://x.example/s></video>",
    "<picture><source srcset='http://x.example/a.png'><img src=http://x.example/b.png onload=alert(1)></picture>",
    "<smtpd-body onload=alert(1)></smtpd-body><smtpd-root></smtpd-root><smtpd-p>x</smtpd-p>",
    "<x-y onclick=alert(1)><o:p onload=alert(1)></x-y><button popovertarget=x command=show-modal formaction=//x.example>",
    "<select><style><img src=x onerror=alert(1)></style><option><svg><script>alert(1)</script></select>",
];

#[test]
fn tangled_markup_becomes_text() {
    let found = clean(&("<div>".repeat(100_000) + "a & b"));
    assert!(found.is_text && found.html.ends_with("a &amp; b</pre>"));
}

/// The second wall looks through all of a text for each sign in it that it may have to escape.
#[test]
fn long_text_is_cut_for_the_second_wall() {
    let text = "\u{a9} & ".repeat(200_000);
    let escaped = text.replace('&', "&amp;");
    assert_eq!(clean(&format!("<p>{text}</p>")).html, format!("<p>{escaped}</p>"));
    let drawn = clean(&format!("<svg><text>{text}</text><style>{text}</style></svg>")).html;
    assert_eq!(drawn.matches('\u{a9}').count(), 200_000, "the sheet is left out");
    let written = clean(&format!("<textarea>{text}</textarea>")).html;
    assert!(written.len() < 10_000 && !written.contains("<!--"));
    let signs = "\u{a9}".repeat(200_000);
    assert_eq!(clean(&format!("<p title='{signs}'>x</p>")).html, "<p>x</p>");
    let short = "\u{a9}".repeat(2_000);
    assert!(clean(&format!("<p title='{short}'>x</p>")).html.contains(&short));
}

#[test]
fn many_missing_pictures_do_not_grow_without_end() {
    let sent = "<img src=//b.example alt=x>".repeat(20_000);
    assert!(clean(&sent).html.len() < 4 * sent.len());
}

#[test]
fn attributes_of_the_body_are_bounded() {
    let sent: String = (0..20_000).map(|n| format!("<body data-a{n}=x>")).collect();
    assert!(clean(&sent).body.matches("data-a").count() <= 500);
}
