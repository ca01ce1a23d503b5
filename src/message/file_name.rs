//! File names that are too long, cut in the middle: what a file is stands at its end.

use super::text::beginning;

/// At most `limit` octets of a name, with its ending if it has one.
pub fn shortened(name: &str, limit: usize) -> String {
    if name.len() <= limit {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |dot| &name[dot..]);
    let ending = if ending.len() <= LONGEST_ENDING.min(limit) { ending } else { "" };
    let stem = beginning(name, limit - ending.len()).trim_end_matches(['.', ' ']);
    format!("{stem}{ending}")
}

/// Longest ending with its dot, in octets. What is longer is a sentence with a full stop.
const LONGEST_ENDING: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_stays() {
        for (name, limit, short) in [
            ("a.pdf", 5, "a.pdf"),
            ("abcdef.pdf", 7, "abc.pdf"),
            ("über.tar.gz", 7, "übe.gz"),
            ("überaus.gz", 5, "ü.gz"),
            ("abcdef", 3, "abc"),
            ("abc. A sentence that goes on and on", 10, "abc. A sen"),
            ("a.b", 1, "a"),
            ("日本語.txt", 8, "日.txt"),
        ] {
            assert_eq!(shortened(name, limit), short, "{name}");
        }
    }
}
