//! HTML of a message made safe to show.
//!
//! The last line of three: the page shows this in a sandboxed frame without scripts, under a policy
//! that loads nothing. Even so, nothing active leaves this file, and what would tell the sender that
//! the message was opened is taken out and counted. `ammonia` builds a tree and writes it again from
//! lists of what is allowed; style sheets, which it does not understand, go through `css` beside it.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{css, host, tags::tags, tangled, text};

/// What to let through.
#[derive(Clone)]
pub struct Options {
    /// Load images and fonts from elsewhere.
    pub remote: bool,
    /// Show it as a reader with a dark screen sees it.
    pub is_dark: bool,
    /// The URL under which a part of the message is to be had, if there is one.
    pub part: Arc<FindPart>,
}

/// Tells the URL for a part that the HTML refers to.
pub type FindPart = dyn Fn(Reference<'_>) -> Option<String> + Send + Sync;

/// How HTML refers to another part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// By its Content-ID, without angle brackets (RFC 2392).
    ContentId(&'a str),
    /// By its Content-Location, as given (RFC 2557).
    Location(&'a str),
}

/// HTML that is safe to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sanitised {
    /// A fragment, to be wrapped in a document.
    pub html: String,
    /// Loads from elsewhere that were taken out.
    pub blocked_remote: usize,
    /// Their hosts, the first [`MOST_HOSTS`] of them.
    pub blocked_hosts: BTreeSet<String>,
    /// The markup was too tangled to be read, so this is its text.
    pub is_text: bool,
}

/// Makes the HTML of a message safe to show.
///
/// Markup that is too tangled to be read in reasonable time comes out as its plain text.
pub fn sanitise(html: &str, options: &Options) -> Sanitised {
    if tangled::is_tangled(html) {
        let escaped = ammonia::clean_text(&text::html_to_text(html));
        let html = format!("<pre>{escaped}</pre>");
        return Sanitised { html, is_text: true, ..Sanitised::default() };
    }
    let (markup, styles) = split_styles(html);
    let filter = Filter { options: options.clone(), blocked: Arc::default() };
    let style = css::filter(&styles, &filter);
    let body = cleaner(&filter).clean(&body_as_div(&markup)).to_string();
    let html = match style.trim() {
        "" => body,
        style => format!("<style>{style}</style>{body}"),
    };
    let Blocked { count, hosts } = std::mem::take(&mut *filter.blocked());
    Sanitised { html, blocked_remote: count, blocked_hosts: hosts, is_text: false }
}

/// What decides about every address, and what it kept out.
#[derive(Clone)]
pub(super) struct Filter {
    pub(super) options: Options,
    blocked: Arc<Mutex<Blocked>>,
}

#[derive(Default)]
struct Blocked {
    count: usize,
    hosts: BTreeSet<String>,
}

impl Filter {
    /// The address under which something is to be loaded for being seen, if it may be.
    pub(super) fn load<'v>(&self, url: &'v str) -> Option<Cow<'v, str>> {
        let trimmed = url.trim();
        let part = |reference| (self.options.part)(reference).map(Cow::Owned);
        match scheme(trimmed).as_deref() {
            Some("cid") => self.content_id(trimmed).map(Cow::Owned),
            Some("data") => {
                let beginning = text::beginning(trimmed, 32).to_ascii_lowercase();
                is_raster(&beginning).then_some(Cow::Borrowed(url))
            }
            Some("#") => None,
            Some("http" | "https") => part(Reference::Location(trimmed)).or_else(|| {
                if self.options.remote {
                    return Some(Cow::Borrowed(url));
                }
                self.block(trimmed);
                None
            }),
            // Without a base, "//host/path" is the only one that leads anywhere.
            _ => part(Reference::Location(trimmed)).or_else(|| {
                let remote = trimmed.starts_with("//").then(|| format!("https:{trimmed}"))?;
                if self.options.remote {
                    return Some(Cow::Owned(remote));
                }
                self.block(&remote);
                None
            }),
        }
    }

    /// Counts a load from elsewhere that was taken out.
    pub(super) fn block(&self, url: &str) {
        let mut blocked = self.blocked();
        blocked.count += 1;
        if let Some(host) = host(url).filter(|_| blocked.hosts.len() < MOST_HOSTS) {
            blocked.hosts.insert(text::beginning(&host, LONGEST_HOST).to_owned());
        }
    }

    /// The URL of a part named by a `cid:` URL (RFC 2392 §2), where the id is percent-encoded.
    fn content_id(&self, url: &str) -> Option<String> {
        let (_, id) = url.split_once(':')?;
        let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
        (self.options.part)(Reference::ContentId(id.trim_matches(['<', '>'])))
    }

    fn blocked(&self) -> MutexGuard<'_, Blocked> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True for a data URL of a picture that cannot contain script. `url` is in lower case.
pub(super) fn is_raster(url: &str) -> bool {
    url.strip_prefix("data:image/").is_some_and(|rest| {
        ["png", "jpeg", "jpg", "gif", "webp", "bmp"]
            .iter()
            .any(|kind| rest.strip_prefix(kind).is_some_and(|rest| rest.starts_with([';', ','])))
    })
}

fn cleaner(filter: &Filter) -> ammonia::Builder<'static> {
    let filter = filter.clone();
    let mut builder = ammonia::Builder::empty();
    builder
        .tags(HashSet::from(TAGS))
        .clean_content_tags(HashSet::from(DROPPED_WITH_CONTENT))
        .generic_attributes(HashSet::from(ATTRIBUTES))
        .add_tag_attributes("a", &["href", "name"])
        .add_tag_attributes("area", &["href", "shape", "coords"])
        .add_tag_attributes("map", &["name"])
        .add_tag_attributes("img", &["src", "srcset", "alt", "usemap", "hspace", "vspace"])
        .add_tag_attributes("font", &["color", "face", "size"])
        .add_tag_attributes("ol", &["start", "type", "reversed"])
        .add_tag_attributes("ul", &["type"])
        .add_tag_attributes("li", &["type", "value"])
        .add_tag_attributes("hr", &["size", "noshade", "color"])
        .add_tag_attributes("blockquote", &["type"])
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel", "cid", "data"]))
        .url_relative(ammonia::UrlRelative::PassThrough)
        .link_rel(Some("noopener noreferrer"))
        .set_tag_attribute_value("a", "target", "_blank")
        .set_tag_attribute_value("area", "target", "_blank")
        .set_tag_attribute_value("area", "rel", "noopener noreferrer")
        .attribute_filter(move |_, name, value| attribute(name, value, &filter));
    builder
}

/// The value an attribute may have, none to leave it out.
fn attribute<'v>(name: &str, value: &'v str, filter: &Filter) -> Option<Cow<'v, str>> {
    match name {
        "href" => link(value, filter),
        "src" | "background" => filter.load(value),
        "srcset" if filter.options.remote => Some(Cow::Borrowed(value)),
        // The picture itself is in src and counted there.
        "srcset" => None,
        "style" => Some(Cow::Owned(css::filter(value, filter))),
        _ => Some(Cow::Borrowed(value)),
    }
}

/// A link somebody may follow. Relative ones lead nowhere: a message has no base.
fn link<'v>(value: &'v str, filter: &Filter) -> Option<Cow<'v, str>> {
    let trimmed = value.trim();
    match scheme(trimmed)?.as_str() {
        "cid" => filter.content_id(trimmed).map(Cow::Owned),
        "http" | "https" | "mailto" | "tel" | "#" => Some(Cow::Borrowed(value)),
        _ => None,
    }
}

/// The scheme in lower case, or `#` for a place in the same page.
fn scheme(url: &str) -> Option<String> {
    if url.starts_with('#') {
        return Some("#".to_owned());
    }
    let (scheme, _) = url.split_once(':')?;
    scheme.bytes().all(|c| c.is_ascii_alphanumeric()).then(|| scheme.to_ascii_lowercase())
}

/// Takes the style elements out; returns the markup without them and their text.
///
/// It matters little if a browser would find other ones: what is left goes through `ammonia`, which
/// drops style elements, and what is taken goes through `css`, which lets none of it out.
fn split_styles(html: &str) -> (String, String) {
    let mut markup = String::with_capacity(html.len());
    let mut styles = String::new();
    let mut rest = html;
    while let Some(start) = find_tag(rest, "<style") {
        let (before, style) = rest.split_at(start);
        markup.push_str(before);
        let Some((_, content)) = style.split_once('>') else {
            return (markup, styles);
        };
        let end = find_tag(content, "</style").unwrap_or(content.len());
        let element = &style[..style.len() - content.len()];
        let medium = tags(element).next().and_then(|tag| tag.attribute("media"));
        match medium.filter(|medium| is_medium(medium)) {
            Some(medium) => {
                styles.push_str(&format!("@media {medium} {{\n{}\n}}\n", &content[..end]));
            }
            None => {
                styles.push_str(&content[..end]);
                styles.push('\n');
            }
        }
        rest = content[end..].split_once('>').map_or("", |(_, after)| after);
    }
    markup.push_str(rest);
    (markup, styles)
}

/// True for a media query that says something and is nothing else.
fn is_medium(query: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " ():-,.".contains(c);
    !query.trim().is_empty() && query.chars().all(is_plain)
}

/// Where a tag begins, given as `<name` in lower case.
fn find_tag(html: &str, tag: &str) -> Option<usize> {
    let octets = html.as_bytes();
    memchr::memchr_iter(b'<', octets).find(|&at| {
        let end = at + tag.len();
        octets.get(at..end).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()))
            && !octets.get(end).is_some_and(u8::is_ascii_alphanumeric)
    })
}

/// A fragment has no body, so its element becomes a `div`, which keeps its style and direction; the
/// colour is for the element only, so it becomes a style too.
fn body_as_div(markup: &str) -> Cow<'_, str> {
    let Some(start) = find_tag(markup, "<body") else {
        return Cow::Borrowed(markup);
    };
    let (before, body) = markup.split_at(start);
    let attributes = &body["<body".len()..];
    let tag = attributes.split('>').next().unwrap_or_default();
    let colour = tag
        .to_ascii_lowercase()
        .split_once("bgcolor=")
        .map(|(_, value)| value.trim_start_matches(['"', '\'']))
        .map(|value| {
            value.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '#').collect::<String>()
        })
        .filter(|colour| !colour.is_empty());
    let wrapper = colour.map(|colour| format!("<div style=\"background-color:{colour}\">"));
    Cow::Owned(format!("{before}{}<div{attributes}", wrapper.unwrap_or_default()))
}

/// Hosts named of one message, and how much of a name, in octets.
pub const MOST_HOSTS: usize = 20;
const LONGEST_HOST: usize = 253;

const TAGS: [&str; 75] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "article",
    "aside",
    "b",
    "bdi",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "main",
    "map",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
    "nobr",
];

/// Elements whose content is not meant to be read, or is read by other rules than markup: those are
/// where one parser sees text and another a tag.
const DROPPED_WITH_CONTENT: [&str; 20] = [
    "script",
    "style",
    "title",
    "noscript",
    "template",
    "textarea",
    "select",
    "iframe",
    "noembed",
    "noframes",
    "xmp",
    "plaintext",
    "object",
    "embed",
    "applet",
    "svg",
    "math",
    "frameset",
    "audio",
    "video",
];

/// Looks and language; none of them loads or runs anything but style and background, which are
/// filtered.
const ATTRIBUTES: [&str; 24] = [
    "align",
    "background",
    "bgcolor",
    "border",
    "bordercolor",
    "cellpadding",
    "cellspacing",
    "char",
    "class",
    "color",
    "cols",
    "colspan",
    "dir",
    "height",
    "id",
    "lang",
    "nowrap",
    "role",
    "rowspan",
    "scope",
    "style",
    "title",
    "valign",
    "width",
];

#[cfg(test)]
impl Filter {
    pub(super) fn for_tests(remote: bool, is_dark: bool) -> Self {
        let part = |reference: Reference<'_>| {
            (reference == Reference::ContentId("known")).then(|| "/part".to_owned())
        };
        let options = Options { remote, is_dark, part: Arc::new(part) };
        Self { options, blocked: Arc::default() }
    }

    pub(super) fn blocked_count(&self) -> usize {
        self.blocked().count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(html: &str) -> Sanitised {
        let part = |reference: Reference<'_>| {
            let known = [
                Reference::ContentId("logo@a.example"),
                Reference::Location("img/logo.png"),
                Reference::Location("http://a.example/l.png"),
            ];
            known.contains(&reference).then(|| "/parts/2".to_owned())
        };
        sanitise(html, &Options { remote: false, is_dark: false, part: Arc::new(part) })
    }

    #[track_caller]
    fn check(html: &str, expected: &str, blocked: usize) {
        let found = clean(html);
        assert_eq!((found.html.as_str(), found.blocked_remote), (expected, blocked), "{html}");
        assert_eq!(found.blocked_hosts.is_empty(), blocked == 0, "{html}");
    }

    #[test]
    fn mail_keeps_its_looks() {
        for html in [
            "<table width=\"600\" cellpadding=\"0\" bgcolor=\"#fff\"><tbody><tr><td align=\"center\">x</td></tr></tbody></table>",
            "<center><font color=\"red\" size=\"2\">x</font></center>",
            "<p style=\"color: red\" class=\"a\">x</p>",
            "<style>p { color: red }</style><p>x</p>",
        ] {
            check(html, html, 0);
        }
        check(
            "<html><head><title>t</title></head><body bgcolor=#EEE dir=rtl>x</body></html>",
            "<div style=\"background-color:#eee\"><div bgcolor=\"#EEE\" dir=\"rtl\">x</div></div>",
            0,
        );
    }

    #[test]
    fn links_open_outside() {
        let attributes = "target=\"_blank\" rel=\"noopener noreferrer\"";
        for url in ["https://x.example/?a=b", "mailto:a@b.example", "tel:123", "#top"] {
            let expected = format!("<a href=\"{url}\" {attributes}>x</a>");
            check(&format!("<a href=\"{url}\">x</a>"), &expected, 0);
        }
        for url in ["relative", "//x.example/", "data:text/html,x", "file:///etc", "cid:no"] {
            let html = clean(&format!("<a href=\"{url}\">x</a>")).html;
            assert!(!html.contains("href") && html.contains("rel="), "{html}");
        }
    }

    #[test]
    fn pictures() {
        check("<img src='cid:logo@a.example'>", "<img src=\"/parts/2\">", 0);
        check("<img src='CID:logo%40a.example'>", "<img src=\"/parts/2\">", 0);
        check("<img src='cid:other'>", "<img>", 0);
        check("<img src=img/logo.png>", "<img src=\"/parts/2\">", 0);
        check("<img src='http://a.example/l.png'>", "<img src=\"/parts/2\">", 0);
        check(
            "<p style='background:url(cid:logo@a.example)'>x</p>",
            "<p style=\"background:url(/parts/2)\">x</p>",
            0,
        );
        check("<td background='cid:logo@a.example'>", "", 0);
        check("<img src='https://x.example/a.png' alt=a>", "<img alt=\"a\">", 1);
        check("<img src='//x.example/a.png'>", "<img>", 1);
        check("<img srcset='https://x.example/a.png 2x'>", "<img>", 0);
        check("<div background='http://x.example/'>x</div>", "<div>x</div>", 1);
        check("<p style='background:url(http://x.example/)'>x</p>", "<p style=\"\">x</p>", 1);
        check(
            "<img src='data:image/png;base64,AA=='>",
            "<img src=\"data:image/png;base64,AA==\">",
            0,
        );
        check("<img src='data:image/svg+xml,<svg onload=x>'>", "<img>", 0);
        check("<img src='data:text/html,x'>", "<img>", 0);
    }

    #[test]
    fn remote_pictures_if_wanted() {
        let options = Options { remote: true, is_dark: false, part: Arc::new(|_| None) };
        let html = "<img src=\"https://x.example/a.png\">";
        let found = sanitise(html, &options);
        assert_eq!((found.html.as_str(), found.blocked_remote), (html, 0));
    }

    /// What no output may contain as markup, whatever went in.
    #[track_caller]
    fn check_harmless(html: &str) {
        let out = clean(html).html;
        let markup = out.to_ascii_lowercase();
        for tag in [
            "script", "iframe", "object", "embed", "svg", "math", "link", "meta", "base", "form",
            "input", "button", "textarea", "title", "noscript", "template", "frame", "video",
        ] {
            assert!(!markup.contains(&format!("<{tag}")), "{html}\n{out}");
        }
        let styles = markup.matches("<style>").count();
        assert!(styles <= 1 && markup.matches("</style>").count() == styles, "{html}\n{out}");
        let style = markup.strip_prefix("<style>").and_then(|m| m.split_once("</style>"));
        let (style, body) = style.unwrap_or(("", &markup));
        check_css(style, &out);
        // The writer escapes angle brackets and quotes in values, so this finds every attribute.
        for tag in body.split('<').skip(1).filter_map(|element| element.split('>').next()) {
            let mut quoted = tag.split('"');
            while let (Some(name), Some(value)) = (quoted.next(), quoted.next()) {
                let name = name.trim_end_matches('=').rsplit(' ').next().unwrap_or_default();
                assert!(!name.starts_with("on"), "{html}\n{out}");
                match name {
                    "style" => check_css(value, &out),
                    "href" => assert!(value.starts_with(['h', 'm', 't', '#', '/']), "{out}"),
                    "src" | "background" => assert!(value.starts_with("/parts/"), "{out}"),
                    name => assert!(
                        ATTRIBUTES.contains(&name) || ["target", "rel"].contains(&name),
                        "{html}\n{out}"
                    ),
                }
            }
        }
        // Attributes may change their places once.
        let again = clean(&out).html;
        assert_eq!(again.len(), out.len(), "{html}\n{out}\n{again}");
        assert_eq!(clean(&again).html, again, "{html}");
    }

    #[track_caller]
    fn check_css(css: &str, out: &str) {
        for bad in ["@import", "expression(", "url(", "behavior", "\\"] {
            assert!(!css.contains(bad), "{out}");
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

    const NASTY: [&str; 60] = [
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
    ];

    #[test]
    fn tangled_markup_becomes_text() {
        for html in ["<div>".repeat(100_000), "<b><p>".repeat(5_000), "<br>".repeat(300_000)] {
            assert!(clean(&(html + "a & b")).html.ends_with("a&#32;&amp;&#32;b</pre>"));
        }
        assert!(clean(&"&".repeat(60_000)).html.starts_with("<pre>"));
        assert!(clean(&format!("<p {}>", "a ".repeat(60_000))).html.starts_with("<pre>"));
    }
}
