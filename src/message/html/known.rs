//! What HTML can say that is only seen: elements and attributes. Those of SVG and MathML are in `drawing`.
//!
//! Both walls read these lists. What is not in them acts, or nobody knows what it does.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, Hasher},
    sync::LazyLock,
};

use html5ever::LocalName;

/// True for an element that is seen as it is.
pub(super) fn is_element(name: &LocalName) -> bool {
    static NAMES: LazyLock<Names> = LazyLock::new(|| atoms(HTML));
    NAMES.contains(name)
}

/// True for an attribute of HTML that is seen.
pub(super) fn is_attribute(name: &LocalName) -> bool {
    static NAMES: LazyLock<Names> = LazyLock::new(|| atoms(ATTRIBUTES));
    NAMES.contains(name)
}

/// Names as the parser has them: each knows its own hash, and nobody can choose what is in the set.
type Names = HashSet<LocalName, BuildHasherDefault<Given>>;

/// The hash that something has of its own.
#[derive(Default)]
struct Given(u64);

impl Hasher for Given {
    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.write_u32(octet.into());
        }
    }

    /// A set looks at the highest bits and at the lowest ones.
    fn write_u32(&mut self, hash: u32) {
        self.0 = (self.0 ^ u64::from(hash)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn atoms(names: &[&str]) -> Names {
    names.iter().map(|&name| LocalName::from(name)).collect()
}

/// Elements of HTML that are seen as they are.
pub(super) const HTML: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "article",
    "aside",
    "audio",
    "b",
    "basefont",
    "bdi",
    "bdo",
    "big",
    "blink",
    "blockquote",
    "br",
    "button",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "data",
    "dd",
    "del",
    "details",
    "dfn",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "fieldset",
    "figcaption",
    "figure",
    "font",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "i",
    "img",
    "input",
    "ins",
    "kbd",
    "label",
    "legend",
    "li",
    "link",
    "listing",
    "main",
    "map",
    "mark",
    "marquee",
    "menu",
    "meter",
    "nav",
    "nobr",
    "ol",
    "optgroup",
    "option",
    "output",
    "p",
    "picture",
    "pre",
    "progress",
    "q",
    "rb",
    "rp",
    "rt",
    "rtc",
    "ruby",
    "s",
    "samp",
    "search",
    "section",
    "select",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "video",
    "wbr",
];

/// Elements that are gone with all that is in them: it is not meant to be read, or acts.
pub(super) const GONE: &[&str] = &[
    "applet", "base", "bgsound", "embed", "frame", "frameset", "head", "iframe", "meta", "noembed",
    "noframes", "param", "script", "template", "title", "track",
];

/// Attributes that say how something looks, what it is, or which rule of a style sheet is for it.
pub(super) const ATTRIBUTES: &[&str] = &[
    "abbr",
    "accent",
    "align",
    "alink",
    "alt",
    "axis",
    "background",
    "behavior",
    "bgcolor",
    "border",
    "bordercolor",
    "bordercolordark",
    "bordercolorlight",
    "cellpadding",
    "cellspacing",
    "char",
    "charoff",
    "checked",
    "clear",
    "color",
    "cols",
    "colspan",
    "compact",
    "controls",
    "coords",
    "datetime",
    "dir",
    "direction",
    "disabled",
    "face",
    "for",
    "frame",
    "frameborder",
    "headers",
    "height",
    "hidden",
    "high",
    "hspace",
    "html",
    "id",
    "ismap",
    "itemprop",
    "itemscope",
    "itemtype",
    "class",
    "label",
    "lang",
    "leftmargin",
    "link",
    "loop",
    "low",
    "marginheight",
    "marginwidth",
    "max",
    "maxlength",
    "media",
    "min",
    "multiple",
    "name",
    "noshade",
    "nowrap",
    "open",
    "optimum",
    "placeholder",
    "pattern",
    "popover",
    "readonly",
    "rel",
    "required",
    "reversed",
    "rightmargin",
    "role",
    "rows",
    "rowspan",
    "rules",
    "scope",
    "scrollamount",
    "scrolldelay",
    "selected",
    "shape",
    "size",
    "sizes",
    "span",
    "start",
    "step",
    "style",
    "summary",
    "target",
    "text",
    "title",
    "topmargin",
    "bottommargin",
    "truespeed",
    "type",
    "usemap",
    "valign",
    "value",
    "vlink",
    "vspace",
    "width",
    "wrap",
    "href",
    "src",
    "srcset",
    "poster",
    "method",
    "accept-charset",
];

/// Beginnings of attributes that are for style sheets and for those who cannot see.
pub(super) const PREFIXES: [&str; 2] = ["aria-", "data-"];
