//! Style sheets of messages, with everything taken out that could load or run something.
//!
//! There is no CSS parser here: the text is cut at braces and semicolons, as CSS does it, and a piece
//! with anything suspicious in it is dropped whole. What is left contains no `<`, so it cannot end
//! the element that it is put into, and no backslash, so nothing can be spelt in another way.

use super::html::Options;

/// A style sheet or the value of a style attribute, and how many remote loads were taken out.
pub(super) fn filter(css: &str, options: &Options) -> (String, usize) {
    let css = without_comments(css);
    let mut out = String::with_capacity(css.len());
    let mut blocked = 0;
    for piece in pieces(&css) {
        let text = piece.strip_suffix(['{', '}', ';']).unwrap_or(piece);
        match judge(text, options) {
            Verdict::Harmless => out.push_str(text),
            Verdict::Remote => blocked += 1,
            Verdict::Suspicious => {}
        }
        out.push_str(&piece[text.len()..]);
    }
    (out, blocked)
}

enum Verdict {
    Harmless,
    /// Would load something from elsewhere.
    Remote,
    /// Is no part of any honest mail.
    Suspicious,
}

fn judge(piece: &str, options: &Options) -> Verdict {
    let text: String = piece.to_ascii_lowercase();
    if text.contains(['\\', '<', '\0']) || SUSPICIOUS.iter().any(|what| text.contains(what)) {
        return Verdict::Suspicious;
    }
    if ["@import", "image-set(", "src("].iter().any(|what| text.contains(what)) {
        return Verdict::Remote;
    }
    for url in text.split("url(").skip(1) {
        let url = url.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
        let absolute = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        if super::html::is_raster(url) || (absolute && options.remote) {
            continue;
        }
        // Anything else, such as a relative URL, leads nowhere.
        let remote = absolute || url.starts_with("//");
        return if remote { Verdict::Remote } else { Verdict::Suspicious };
    }
    Verdict::Harmless
}

/// Comments become a space; one that never ends takes the rest with it, as in a browser.
fn without_comments(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        out.push(' ');
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    // HTML comments around a style sheet are from before browsers knew the element.
    out.replace("<!--", " ").replace("-->", " ")
}

/// Cuts behind every brace and semicolon that stands in no string and no parentheses.
fn pieces(css: &str) -> impl Iterator<Item = &str> {
    let mut quote = None;
    let mut depth = 0_usize;
    css.split_inclusive(move |c: char| {
        match (quote, c) {
            // A string ends at the end of its line (CSS Syntax §4.3.5).
            (Some(_), '\n') => quote = None,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, '{' | '}' | ';') => return depth == 0,
            (None, _) => {}
        }
        false
    })
}

/// What old browsers ran as script, what reaches outside of the style sheet, and functions that take
/// a URL as a plain string.
const SUSPICIOUS: [&str; 14] = [
    "expression",
    "javascript:",
    "vbscript:",
    "behavior",
    "behaviour",
    "-moz-binding",
    "@charset",
    "@namespace",
    "@document",
    "@-moz-document",
    "image(",
    "element(",
    "paint(",
    "cross-fade(",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(css: &str, expected: &str, blocked: usize) {
        let options = Options { remote: false, content_id: std::sync::Arc::new(|_| None) };
        assert_eq!(filter(css, &options), (expected.to_owned(), blocked), "{css}");
    }

    #[test]
    fn honest_css_stays() {
        for css in [
            "p { color: red; margin: 0 }",
            "@media (max-width: 600px) { .a > b { width: 100% !important } }",
            "a::before { content: \"; } {\" }",
            "background: url(data:image/png;base64,AAAA)",
        ] {
            check(css, css, 0);
        }
    }

    #[test]
    fn nothing_is_loaded() {
        check("p { background: url(http://x.example/a.png); color: red }", "p {; color: red }", 1);
        check("background:URL( '//x.example/' )", "", 1);
        check("@import 'http://x.example/a.css'; p {}", "; p {}", 1);
        check("@font-face { src: url(//x.example/f) }", "@font-face {}", 1);
        check("background: image-set('http://x.example/' 1x)", "", 1);
        check("a { b: u\\72l(http://x.example/) }", "a {}", 0);
        check("a { b: u/**/rl(http://x.example/) }", "a { b: u rl(http://x.example/) }", 0);
        check("a: url(http://x.example/;b:c", "", 1);
        check("background: url(data:image/svg+xml,x)", "", 0);
        check("background: url(cid:x)", "", 0);
    }

    #[test]
    fn nothing_gets_out() {
        check("p { } </style><script>", "p { }", 0);
        check("a: expression(alert(1)); b: c", "; b: c", 0);
        check("/* never closed", " ", 0);
        check("<!-- p { color: red } -->", "  p { color: red }  ", 0);
        check("a<!<!----!--", "", 0);
    }

    #[test]
    fn remote_loads_may_be_allowed() {
        let options = Options { remote: true, content_id: std::sync::Arc::new(|_| None) };
        let css = "p { background: url(\"https://x.example/a.png\") }";
        assert_eq!(filter(css, &options), (css.to_owned(), 0));
        assert_eq!(filter("@import 'http://x.example/'", &options), (String::new(), 1));
    }
}
