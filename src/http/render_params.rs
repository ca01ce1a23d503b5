//! How HTML is to be shown, as it stands in the addresses of pages and frames.

use super::{
    error::Error,
    parameters::{Pairs, Parameters},
};
use crate::message::html::Scheme;

/// How HTML is to be shown. Part of the addresses of pages, so that every state has one.
#[derive(Clone, Debug, Default)]
pub(super) struct RenderParams {
    /// `remote=1`: images may be loaded from elsewhere, which tells the sender that it was read.
    pub(super) remote: bool,
    /// `scheme=dark`: as on a dark screen; `scheme=forced`: dark, whatever the message says.
    pub(super) scheme: Scheme,
    /// `width=375`: one of [`WIDTHS`], or none for as much as there is.
    pub(super) width: Option<&'static str>,
}

impl Parameters for RenderParams {
    fn take(pairs: &mut Pairs) -> Result<Self, Error> {
        Ok(Self {
            remote: pairs.one("remote")?,
            scheme: pairs
                .choice("scheme", &SCHEMES.map(scheme_name))?
                .map_or_else(Scheme::default, scheme),
            width: pairs.choice("width", &[&WIDTHS[..], &OLD_WIDTHS].concat())?.and_then(width),
        })
    }
}

impl RenderParams {
    /// What a query says of these looks, but for the defaults.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let scheme = Some(scheme_name(self.scheme));
        let pairs = [
            ("remote", self.remote.then_some("1")),
            ("scheme", scheme.filter(|_| self.scheme != Scheme::Light)),
            ("width", self.width),
        ];
        pairs.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// The query of the address of a frame that looks so; the width is none of its business.
    pub(super) fn frame_query(&self) -> String {
        query(self.pairs().filter(|(name, _)| *name != "width"))
    }

    /// The query of a page that shows it so.
    pub(super) fn page_query(&self) -> String {
        query(self.pairs())
    }
}

fn query(pairs: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        let mark = if query.is_empty() { '?' } else { '&' };
        query.push_str(&format!("{mark}{name}={value}"));
    }
    query
}

/// The scheme of this name; light for any other.
pub(super) fn scheme(name: &str) -> Scheme {
    SCHEMES.into_iter().find(|known| scheme_name(*known) == name).unwrap_or_default()
}

/// What a scheme is called in addresses.
pub(super) const fn scheme_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Light => "light",
        Scheme::Dark => "dark",
        Scheme::Forced => "forced",
    }
}

/// The width of this name; none for any other.
pub(super) fn width(name: &str) -> Option<&'static str> {
    let name = match name {
        "phone" => "375",
        "tablet" => "768",
        name => name,
    };
    WIDTHS.into_iter().find(|known| *known == name)
}

const SCHEMES: [Scheme; 3] = [Scheme::Light, Scheme::Dark, Scheme::Forced];

/// The words of earlier links.
const OLD_WIDTHS: [&str; 2] = ["phone", "tablet"];

/// Widths of windows that designers ask for: phones from small to large, tablets upright and on their side.
pub(super) const WIDTHS: [&str; 6] = ["320", "375", "414", "600", "768", "1024"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_look_has_an_address() {
        let look = |remote, name: &str, pixels: &str| RenderParams {
            remote,
            scheme: scheme(name),
            width: width(pixels),
        };
        assert_eq!(look(false, "light", "full").page_query(), "");
        assert_eq!(look(true, "dark", "414").frame_query(), "?remote=1&scheme=dark");
        assert_eq!(look(false, "forced", "414").page_query(), "?scheme=forced&width=414");
        assert_eq!((width("phone"), width("99999")), (Some("375"), None));
    }
}
