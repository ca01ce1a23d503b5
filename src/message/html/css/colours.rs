//! Colours of a message on a dark screen, as mail programs make them that do not ask the sender.
//!
//! Every background becomes at most so bright, and every text at least so bright, in its own hue. Which
//! stands on which nobody can know before it is drawn; with these bounds every text has a contrast of
//! AA on every background (WCAG 2.2 §1.4.3). Pictures stay as they are.

use cssparser::{ParseError, Parser, Token, color};

/// Red, green, blue from 0 to 1, and opacity.
pub(in crate::message::html) type Colour = [f32; 4];

/// What a colour is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::message::html) enum Role {
    /// What something stands on.
    Ground,
    /// What is to be read.
    Ink,
    /// Lines, which are neither.
    Line,
}

impl Role {
    /// That of a property, given in lower case.
    pub(super) fn of(property: &str) -> Option<Self> {
        match property {
            "color" | "-webkit-text-fill-color" | "fill" | "caret-color" => Some(Self::Ink),
            name if name.starts_with("background") => Some(Self::Ground),
            "box-shadow" => Some(Self::Ground),
            name if name.starts_with("border") || name.starts_with("outline") => Some(Self::Line),
            _ => None,
        }
    }
}

/// The colour on a dark screen, as it is written in CSS.
pub(in crate::message::html) fn darkened(
    [red, green, blue, opacity]: Colour,
    role: Role,
) -> String {
    let colour = [red, green, blue];
    let bright = luminance(colour);
    let [red, green, blue] = match role {
        // The brightest ground becomes the darkest: white paper is the page.
        Role::Ground if bright > HALF => dimmed(inverted(colour), DARKEST, BRIGHTEST_GROUND),
        Role::Ground => dimmed(colour, DARKEST, BRIGHTEST_GROUND),
        Role::Ink if bright < HALF => dimmed(inverted(colour), DIMMEST_INK, 1.0),
        Role::Ink => dimmed(colour, DIMMEST_INK, 1.0),
        Role::Line => dimmed(inverted(colour), 0.04, 0.3),
    };
    let octet = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let (red, green, blue) = (octet(red), octet(green), octet(blue));
    // What shines through would be read on a colour that nobody knows.
    if role == Role::Ink || opacity >= 1.0 {
        return format!("#{red:02x}{green:02x}{blue:02x}");
    }
    format!("rgba({red},{green},{blue},{opacity})")
}

/// A colour in place of one that cannot be read here: that of the page, or of its text.
pub(super) fn plain(role: Role) -> &'static str {
    match role {
        Role::Ground => "#121212",
        Role::Ink => "#e8e8e8",
        Role::Line => "#666666",
    }
}

/// True for a function that is a colour of this property, or in its place.
pub(super) fn is_colour(name: &str, property: &str) -> bool {
    let functions = [
        "rgb",
        "rgba",
        "hsl",
        "hsla",
        "hwb",
        "lab",
        "lch",
        "oklab",
        "oklch",
        "color",
        "color-mix",
        "device-cmyk",
        "contrast-color",
    ];
    let is_one = ["color", "background", "background-color", "fill", "-webkit-text-fill-color"];
    functions.contains(&name)
        || (matches!(name, "var" | "env" | "attr") && is_one.contains(&property))
}

/// What a page is that says nothing of its colours: the rules of a browser, in dark. The ground is that of
/// `body`, which fills the window as long as `html` has none of its own.
pub(in crate::message::html) fn dark_page() -> &'static str {
    "html{color-scheme:dark;color:#e8e8e8}:where(body){background-color:#121212}:where(a:any-link){color:#9ecbff}"
}

/// A colour that one token says.
pub(super) fn of_token(token: &Token<'_>) -> Option<Colour> {
    match token {
        Token::Hash(hex) | Token::IDHash(hex) => of_hash(hex),
        Token::Ident(name) => of_name(name),
        _ => None,
    }
}

/// `rgb()` and `hsl()`, none if it is another function or is not understood.
pub(super) fn of_function(name: &str, input: &mut Parser<'_>) -> Option<Colour> {
    let is_hue = match name {
        "rgb" | "rgba" => false,
        "hsl" | "hsla" => true,
        _ => return None,
    };
    let read = input.parse_nested_block(|input| {
        let mut values = Vec::with_capacity(4);
        while let Ok(token) = input.next() {
            let at = values.len();
            let value = match token {
                Token::Number { value, .. } if at < 3 && !is_hue => value / 255.0,
                Token::Number { value, .. } | Token::Dimension { value, .. } => *value,
                Token::Percentage { unit_value, .. } => *unit_value,
                Token::Comma | Token::Delim('/') => continue,
                _ => return Err(ParseError::<()>::unexpected_token()),
            };
            values.push(value);
        }
        Ok(values)
    });
    match read.ok()?.as_slice() {
        [a, b, c] => Some(with_hue([*a, *b, *c], 1.0, is_hue)),
        [a, b, c, opacity] => Some(with_hue([*a, *b, *c], *opacity, is_hue)),
        _ => None,
    }
}

/// A colour as an attribute of HTML says it: a name, or hexadecimal digits with or without `#`.
pub(in crate::message::html) fn of_attribute(value: &str) -> Option<Colour> {
    let value = value.trim();
    of_name(value).or_else(|| of_hash(value.strip_prefix('#').unwrap_or(value)))
}

fn of_name(name: &str) -> Option<Colour> {
    let (red, green, blue) = color::parse_named_color(name).ok()?;
    Some([red, green, blue].map(|octet| f32::from(octet) / 255.0)).map(|[r, g, b]| [r, g, b, 1.0])
}

fn of_hash(hex: &str) -> Option<Colour> {
    let (red, green, blue, opacity) = color::parse_hash_color(hex.as_bytes()).ok()?;
    let [red, green, blue] = [red, green, blue].map(|octet| f32::from(octet) / 255.0);
    Some([red, green, blue, opacity])
}

fn with_hue([a, b, c]: [f32; 3], opacity: f32, is_hue: bool) -> Colour {
    if !is_hue {
        return [a, b, c, opacity];
    }
    let (hue, saturation, lightness) = (a.rem_euclid(360.0) / 30.0, b, c);
    let most = saturation * lightness.min(1.0 - lightness);
    let part = |shift: f32| {
        let at = (shift + hue) % 12.0;
        lightness - most * (at - 3.0).min(9.0 - at).clamp(-1.0, 1.0)
    };
    [part(0.0), part(8.0), part(4.0), opacity]
}

/// The same hue, as bright as it was dark.
fn inverted(colour: [f32; 3]) -> [f32; 3] {
    let most = colour.into_iter().fold(0.0, f32::max);
    let least = colour.into_iter().fold(1.0, f32::min);
    colour.map(|value| (value + 1.0 - most - least).clamp(0.0, 1.0))
}

/// The colour mixed with black or white until it is no darker and no brighter than that.
fn dimmed(colour: [f32; 3], least: f32, most: f32) -> [f32; 3] {
    let bright = luminance(colour);
    if bright > most {
        return mixed(colour, 0.0, |it| luminance(it) <= most);
    }
    if bright < least {
        return mixed(colour, 1.0, |it| luminance(it) >= least);
    }
    colour
}

/// As much of the colour as holds, in 64 steps.
fn mixed(colour: [f32; 3], with: f32, holds: impl Fn([f32; 3]) -> bool) -> [f32; 3] {
    let share = |step: u8| {
        let part = f32::from(step) / 64.0;
        colour.map(|value| value * (1.0 - part) + with * part)
    };
    (1..=64).map(share).find(|&colour| holds(colour)).unwrap_or([with; 3])
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: [f32; 3]) -> f32 {
    let [red, green, blue] = colour.map(|value| {
        let value = value.clamp(0.0, 1.0);
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// As dark as half of what is between black and white looks.
const HALF: f32 = 0.18;

/// The page itself, #121212.
const DARKEST: f32 = 0.006;

/// With these two (0.46 + 0.05) / (0.058 + 0.05) = 4.7: AA, and something for rounding.
const BRIGHTEST_GROUND: f32 = 0.058;
const DIMMEST_INK: f32 = 0.46;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ink_can_be_read_on_every_ground() {
        let steps = [0.0_f32, 0.2, 0.4, 0.6, 0.8, 1.0];
        let mut all = Vec::new();
        for red in steps {
            for green in steps {
                all.extend(steps.map(|blue| [red, green, blue, 1.0]));
            }
        }
        let drawn = |colour, role| {
            let [red, green, blue, _] = of_attribute(&darkened(colour, role)).unwrap();
            luminance([red, green, blue])
        };
        let inks = all.iter().map(|&colour| drawn(colour, Role::Ink)).fold(1.0, f32::min);
        let grounds = all.iter().map(|&colour| drawn(colour, Role::Ground)).fold(0.0, f32::max);
        assert!((inks + 0.05) / (grounds + 0.05) >= 4.5, "{inks} on {grounds}");
    }

    #[test]
    fn colours_are_read_however_they_are_written() {
        for (text, expected) in [("#fff", 1.0), ("white", 1.0), ("000000", 0.0), ("red", 0.2126)] {
            let [red, green, blue, _] = of_attribute(text).unwrap();
            assert!((luminance([red, green, blue]) - expected).abs() < 0.01, "{text}");
        }
        assert_eq!(of_attribute("inherit"), None);
        assert_eq!(darkened([1.0, 1.0, 1.0, 1.0], Role::Ground), "#141414");
    }
}
