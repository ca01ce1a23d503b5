//! Pictures that are there to tell their sender that somebody looked.
//!
//! A guess with reasons: a picture that nobody can see, an address of a known service or in the shape
//! that such services use, or one that names the recipient. Nothing is blocked because of it, for all
//! that is remote is blocked anyway.

use std::borrow::Cow;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use md5::{Digest, Md5};
use sha2::Sha256;

use super::{host, tags::tags, text::beginning};

/// A picture that looks like a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracker {
    /// Its address as given.
    pub url: String,
    /// The host that would be told.
    pub host: String,
    /// Why we think so; never empty.
    pub signs: Vec<Sign>,
}

/// What makes a picture look like a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// No more than two pixels wide or high.
    Tiny,
    /// It is there, and told not to be seen.
    Hidden,
    /// A service that is known to count readers.
    Service(&'static str),
    /// The path or a parameter speaks of opening, tracking or pixels.
    Shape,
    /// The address of a recipient stands in it, plain, in base64, or as MD5 or SHA-256.
    NamesRecipient,
}

/// The trackers of a document, each address once, [`MOST_TRACKERS`] at most.
pub fn trackers(html: &str, recipients: &[&str]) -> Vec<Tracker> {
    let names = Names::new(recipients);
    let mut found: Vec<Tracker> = Vec::new();
    for tag in tags(html).filter(|tag| !tag.is_closing) {
        let is_picture = tag.is("img") || tag.is("image");
        let (mut urls, mut looks) = (Vec::new(), Looks::default());
        for (name, value) in tag.attributes().take(MOST_ATTRIBUTES) {
            match name.to_ascii_lowercase().as_str() {
                "src" if is_picture => urls.push(value),
                "background" => urls.push(value),
                "style" => {
                    urls.extend(urls_in_style(&value).map(|url| Cow::Owned(url.to_owned())));
                    looks.style(&value);
                }
                "width" | "height" => looks.is_tiny |= is_tiny(&value),
                "hidden" => looks.is_hidden = true,
                _ => {}
            }
        }
        for url in urls {
            let url = absolute(url.trim());
            let Some(host) = host(&url) else { continue };
            let signs = signs(&url, &host, is_picture.then_some(&looks), &names);
            if signs.is_empty() || found.iter().any(|known| known.url == *url) {
                continue;
            }
            found.push(Tracker { url: beginning(&url, LONGEST_URL).to_owned(), host, signs });
            if found.len() == MOST_TRACKERS {
                return found;
            }
        }
    }
    found
}

/// How a picture is shown.
#[derive(Default)]
struct Looks {
    is_tiny: bool,
    is_hidden: bool,
}

impl Looks {
    fn style(&mut self, style: &str) {
        for declaration in style.split(';') {
            let Some((name, value)) = declaration.split_once(':') else { continue };
            let value = value.trim().trim_end_matches("!important").trim_end();
            match name.trim().to_ascii_lowercase().as_str() {
                "width" | "height" | "max-width" | "max-height" => self.is_tiny |= is_tiny(value),
                "display" => self.is_hidden |= value.eq_ignore_ascii_case("none"),
                "visibility" => self.is_hidden |= value.eq_ignore_ascii_case("hidden"),
                "opacity" => self.is_hidden |= value.parse::<f32>().is_ok_and(|it| it < 0.02),
                _ => {}
            }
        }
    }
}

/// A length of at most two pixels.
fn is_tiny(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let number = value.strip_suffix("px").unwrap_or(&value).trim_end();
    number.parse::<f32>().is_ok_and(|pixels| (0.0..=2.0).contains(&pixels))
}

fn signs(url: &str, host: &str, looks: Option<&Looks>, names: &Names) -> Vec<Sign> {
    let lower = beginning(url, LONGEST_URL).to_ascii_lowercase();
    let mut signs = Vec::new();
    if looks.is_some_and(|looks| looks.is_tiny) {
        signs.push(Sign::Tiny);
    }
    if looks.is_some_and(|looks| looks.is_hidden) {
        signs.push(Sign::Hidden);
    }
    signs.extend(service(host, &lower).map(Sign::Service));
    if has_shape(&lower) {
        signs.push(Sign::Shape);
    }
    if names.stand_in(url, &lower) {
        signs.push(Sign::NamesRecipient);
    }
    signs
}

/// The service whose host and path this is. Both in lower case.
fn service(host: &str, url: &str) -> Option<&'static str> {
    let at_host = |domain: &str| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let path = url.split_once(host).map_or("", |(_, path)| path);
    let known = SERVICES
        .iter()
        .find(|(domain, part, _)| (domain.is_empty() || at_host(domain)) && path.contains(part));
    known.map(|(.., name)| *name)
}

/// True if the path or a parameter says what it is for.
fn has_shape(url: &str) -> bool {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let segments = path.split(['/', '.', '_', '-']).skip(1);
    let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    segments.chain(names).any(|word| SHAPES.contains(&word))
}

/// A URL without scheme is one of the web in a page of the web.
fn absolute(url: &str) -> Cow<'_, str> {
    if url.starts_with("//") { Cow::Owned(format!("https:{url}")) } else { Cow::Borrowed(url) }
}

fn urls_in_style(style: &str) -> impl Iterator<Item = &str> {
    style.split("url(").skip(1).filter_map(|rest| {
        let url = rest.split(')').next()?;
        Some(url.trim().trim_matches(['"', '\'']))
    })
}

/// The recipients as they may stand in an address.
struct Names(Vec<String>);

impl Names {
    fn new(recipients: &[&str]) -> Self {
        let names = recipients.iter().filter(|name| name.contains('@')).take(MOST_RECIPIENTS);
        Self(names.flat_map(|name| Self::forms(&name.to_ascii_lowercase())).collect())
    }

    /// Plain, percent-encoded, and the hashes are looked for in lower case; base64 as it is.
    fn forms(name: &str) -> [String; 6] {
        [
            name.to_owned(),
            name.replace('@', "%40"),
            HEXLOWER.encode(&Md5::digest(name)),
            HEXLOWER.encode(&Sha256::digest(name)),
            BASE64.encode(name.as_bytes()).trim_end_matches('=').to_owned(),
            BASE64URL_NOPAD.encode(name.as_bytes()),
        ]
    }

    fn stand_in(&self, url: &str, lower: &str) -> bool {
        let url = beginning(url, LONGEST_URL);
        self.0.iter().any(|form| lower.contains(form.as_str()) || url.contains(form.as_str()))
    }
}

/// Host or its end, a part of the path, and whose it is.
const SERVICES: [(&str, &str, &str); 34] = [
    ("list-manage.com", "/track/open", "Mailchimp"),
    ("mandrillapp.com", "/track/open", "Mandrill"),
    ("", "/wf/open", "SendGrid"),
    ("sendgrid.net", "", "SendGrid"),
    ("mailgun.org", "/o/", "Mailgun"),
    ("mailgun.net", "/o/", "Mailgun"),
    ("awstrack.me", "", "Amazon SES"),
    ("mjt.lu", "/oo/", "Mailjet"),
    ("postmarkapp.com", "/open", "Postmark"),
    ("pstmrk.it", "", "Postmark"),
    ("sparkpostmail.com", "/q/", "SparkPost"),
    ("hubspotemail.net", "", "HubSpot"),
    ("track.hubspot.com", "", "HubSpot"),
    ("hs-analytics.net", "", "HubSpot"),
    ("google-analytics.com", "/collect", "Google Analytics"),
    ("google-analytics.com", "__utm.gif", "Google Analytics"),
    ("doubleclick.net", "", "DoubleClick"),
    ("facebook.com", "/tr", "Meta"),
    ("linkedin.com", "/emimp/", "LinkedIn"),
    ("exacttarget.com", "/open", "Salesforce Marketing Cloud"),
    ("exct.net", "/open", "Salesforce Marketing Cloud"),
    ("klaviyomail.com", "", "Klaviyo"),
    ("klclick.com", "", "Klaviyo"),
    ("createsend.com", "/t/", "Campaign Monitor"),
    ("cmail19.com", "", "Campaign Monitor"),
    ("cmail20.com", "", "Campaign Monitor"),
    ("customeriomail.com", "/e/o/", "Customer.io"),
    ("intercom-mail.com", "/o", "Intercom"),
    ("sendibt3.com", "", "Brevo"),
    ("sendinblue.com", "/track", "Brevo"),
    ("mailtrack.io", "", "Mailtrack"),
    ("yesware.com", "/t/", "Yesware"),
    ("bananatag.com", "", "Bananatag"),
    ("litmus.com", "", "Litmus"),
];

/// Words of paths and parameters that are there to count readers.
const SHAPES: [&str; 17] = [
    "open",
    "opens",
    "opened",
    "track",
    "tracking",
    "tracker",
    "trk",
    "pixel",
    "pxl",
    "beacon",
    "1x1",
    "clear",
    "impression",
    "imp",
    "emailopen",
    "utm",
    "webbug",
];

/// Most trackers told of one message.
pub const MOST_TRACKERS: usize = 100;

/// Attributes looked at in one tag.
const MOST_ATTRIBUTES: usize = 100;

/// Recipients whose names are looked for.
const MOST_RECIPIENTS: usize = 10;

/// How much of an address is looked at, in octets.
const LONGEST_URL: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &[Sign]) {
        let found = trackers(html, &["Bob@Example.com"]);
        let signs: Vec<_> = found.iter().flat_map(|tracker| tracker.signs.clone()).collect();
        assert_eq!(signs, expected, "{html}");
    }

    #[test]
    fn trackers_and_why() {
        check("<img src='http://a.example/x.gif' width=1 height='1'>", &[Sign::Tiny]);
        check("<IMG SRC=//a.example/x style='width: 1px !important'>", &[Sign::Tiny]);
        check("<img src=http://a.example/x style='a:b; display : none'>", &[Sign::Hidden]);
        check("<img src=https://a.example/x?u=bob%40example.com>", &[Sign::NamesRecipient]);
        check("<img src=https://a.example/Qm9iQGV4YW1wbGUuY29t>", &[]);
        check("<img src=https://a.example/Ym9iQGV4YW1wbGUuY29t>", &[Sign::NamesRecipient]);
        check(
            "<img src=https://a.example/4b9bb80620f03eb3719e0a061c14283d.gif>",
            &[Sign::NamesRecipient],
        );
        check(
            "<img src=https://x.list-manage.com/track/open.php?u=1 height=0>",
            &[Sign::Tiny, Sign::Service("Mailchimp"), Sign::Shape],
        );
        check("<td background='http://a.example/pixel.gif'>", &[Sign::Shape]);
        check("<p style='background: url( \"http://a.example/track?x\" )'>", &[Sign::Shape]);
    }

    #[test]
    fn what_is_no_tracker() {
        for html in [
            "<img src='cid:a' width=1>",
            "<img src='data:image/gif;base64,R0' width=1 height=1>",
            "<img src=pixel.gif width=1>",
            "<img src='https://a.example/logo.png' width=120>",
            "<img src='https://a.example/logo.png' width=100%>",
            "<img src='https://reopen.example/opening/logo.png'>",
            "<p hidden><img src='https://a.example/logo.png'>",
            "<td width=1>",
            "<!-- <img src='http://a.example/x.gif' width=1> -->",
        ] {
            check(html, &[]);
        }
    }

    #[test]
    fn each_once_and_never_too_many() {
        let one = "<img src=http://a.example/x width=1>";
        assert_eq!(trackers(&one.repeat(3), &[]).len(), 1);
        let many: String =
            (0..1_000).map(|n| format!("<img src=http://a.example/{n} width=1>")).collect();
        assert_eq!(trackers(&many, &[]).len(), MOST_TRACKERS);
    }
}
