//! From the name of a charset, as mail spells it, to what decodes it.
//!
//! The Web's labels come first, as encoding_rs has them. Mail has more: IANA's names and aliases, those
//! of PHP's mbstring, Java, Windows and Python, with hyphens and underscores here and there. So what is
//! not known is read again without them, and numbers of code pages under every vendor's prefix.

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_8859_8_I, KOI8_R, KOI8_U, MACINTOSH,
    SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_874, WINDOWS_1252, X_MAC_CYRILLIC,
    X_USER_DEFINED,
};

use super::{iso2022::Set, pages};

/// What decodes octets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Charset {
    Ascii,
    Utf7,
    /// The order of octets is not said.
    Utf16,
    /// True for big-endian, if it is said.
    Utf32(Option<bool>),
    Web(&'static Encoding),
    /// With what SO shifts to.
    Iso2022(Set),
    Hz,
    Johab,
    /// One octet a character: see [`pages::decode`].
    Page(&'static str),
}

/// The charset of that name, in any case and spelling.
pub(super) fn find(label: &str) -> Option<Charset> {
    let label = label.trim().trim_matches(['"', '\'']).trim().to_ascii_lowercase();
    if label.len() > LONGEST {
        return None;
    }
    match label.as_str() {
        "us-ascii" | "ascii" => return Some(Charset::Ascii),
        "utf-8" => return Some(Charset::Web(UTF_8)),
        // The Web takes it for little-endian, whatever RFC 2781 §4.3 says.
        "utf-16" => return Some(Charset::Utf16),
        _ => {}
    }
    match Encoding::for_label_no_replacement(label.as_bytes()) {
        // Its decoder gives up where two escapes stand side by side.
        Some(encoding) if encoding == encoding_rs::ISO_2022_JP => Some(Charset::Iso2022(Set::Kana)),
        // A page may make of it what it likes; mail that says so says nothing.
        Some(encoding) if encoding == X_USER_DEFINED => None,
        Some(_) if is_ascii(&label) => Some(Charset::Ascii),
        Some(encoding) if encoding == UTF_16LE && is_ucs2(&label) => Some(Charset::Utf16),
        Some(encoding) => Some(Charset::Web(encoding)),
        None => squeezed(&label),
    }
}

/// The Web's names for ASCII, which it takes for windows-1252.
fn is_ascii(label: &str) -> bool {
    matches!(label, "ansi_x3.4-1968")
}

fn is_ucs2(label: &str) -> bool {
    matches!(label, "iso-10646-ucs-2" | "ucs-2" | "csunicode" | "unicode")
}

/// The same without what stands between letters and digits, a year, and prefixes.
fn squeezed(label: &str) -> Option<Charset> {
    let label = label.split(':').next().unwrap_or_default();
    let squeezed: String = label.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut name = squeezed.as_str();
    loop {
        let found = named(name).or_else(|| iso_8859(name)).or_else(|| iso_2022(name));
        if let Some(found) = found.or_else(|| numbered(name)) {
            return Some(found);
        }
        name = ["cs", "x"].iter().find_map(|prefix| name.strip_prefix(prefix))?;
    }
}

fn named(name: &str) -> Option<Charset> {
    Some(match name {
        "usascii" | "ascii" | "us" | "ansix341968" | "ansix341986" | "iso646us" | "iso646"
        | "iso646irv" | "iso646irv1991" | "isoir6" | "646" | "ascii7" | "ascii8" => Charset::Ascii,
        "utf8" | "utf8mb3" | "utf8mb4" | "utf8sig" | "unicode11utf8" | "unicode20utf8"
        | "cesu8" | "utf8mac" | "macutf8" | "utf8n" | "utf8bom" => Charset::Web(UTF_8),
        "utf7" | "unicode11utf7" | "unicode20utf7" | "u7" => Charset::Utf7,
        "utf16" | "u16" | "ucs2" | "iso10646ucs2" | "unicode" => Charset::Utf16,
        "utf16le"
        | "ucs2le"
        | "unicodelittle"
        | "unicodelittleunmarked"
        | "unicodefeff"
        | "utf16lebom"
        | "utf16leunmarked" => Charset::Web(UTF_16LE),
        "utf16be" | "ucs2be" | "unicodebig" | "unicodebigunmarked" | "unicodefffe"
        | "utf16beunmarked" => Charset::Web(UTF_16BE),
        "utf32" | "u32" | "ucs4" | "iso10646ucs4" => Charset::Utf32(None),
        "utf32be" | "ucs4be" | "utf32bebom" => Charset::Utf32(Some(true)),
        "utf32le" | "ucs4le" | "utf32lebom" => Charset::Utf32(Some(false)),
        "jis" | "jiscode" | "junet" | "iso2022" => Charset::Iso2022(Set::Kana),
        "hz" | "hzgb" | "hzgb2312" => Charset::Hz,
        "johab" => Charset::Johab,
        "eucjpwin"
        | "eucjpms"
        | "eucjp"
        | "ujis"
        | "eucjpopen"
        | "eucjplinux"
        | "eucjis2004"
        | "eucjisx0213"
        | "extendedunixcodepackedformatforjapanese"
        | "eucpkdfmtjapanese" => Charset::Web(EUC_JP),
        "shiftjis" | "sjis" | "sjiswin" | "windows31j" | "mskanji" | "sjisopen" | "sjismac"
        | "pck" | "mswindows31j" | "shiftjis2004" | "sjis2004" | "shiftjisx0213" | "sjisx0213" => {
            Charset::Web(SHIFT_JIS)
        }
        "euckr" | "uhc" | "ksc5601" | "ksc56011987" | "ksx1001" | "ksc56011989" | "ksx10012002"
        | "ksc56011992" | "korean" | "eucksc" => Charset::Web(EUC_KR),
        "gb2312" | "gb231280" | "euccn" | "eucgb2312" | "eucgb2312cn" | "gbk" | "chinese"
        | "gb" | "gb23121980" | "isoir58" => Charset::Web(GBK),
        "gb18030" | "gb180302000" | "gb180302005" | "gb180302022" => Charset::Web(GB18030),
        "big5" | "big5eten" | "big5hkscs" | "big5tw" | "hkscs" | "big5et" | "big5hkscs2004"
        | "big5hkscs1999" | "big5hkscs2008" | "big5hkscs2016" | "big5solaris" | "big5hkscs2001" => {
            Charset::Web(BIG5)
        }
        "koi8r" | "koi8" => Charset::Web(KOI8_R),
        "koi8u" | "koi8ru" => Charset::Web(KOI8_U),
        "tis620" | "tis62025330" | "tis62025331" | "thai" | "tis6202533" => {
            Charset::Web(WINDOWS_874)
        }
        "ansi" | "winansi" | "ansiinternational" => Charset::Web(WINDOWS_1252),
        "mac" | "macintosh" | "macroman" | "applemacroman" => Charset::Web(MACINTOSH),
        "maccyrillic" | "macukrainian" | "macukraine" => Charset::Web(X_MAC_CYRILLIC),
        _ => return page(name).and_then(pages::find).map(Charset::Page),
    })
}

/// The name in [`pages`] of those that have names besides numbers.
fn page(name: &str) -> Option<&'static str> {
    Some(match name {
        "maccentraleurope" | "macce" | "maclatin2" | "maccenteuro" => "x-mac-ce",
        "macgreek" => "x-mac-greek",
        "macturkish" => "x-mac-turkish",
        "maciceland" | "macicelandic" => "x-mac-icelandic",
        "maccroatian" => "x-mac-croatian",
        "macromania" | "macromanian" => "x-mac-romanian",
        "koi8t" => "koi8-t",
        "kz1048" | "strk10482002" | "rk1048" => "kz-1048",
        "ptcp154" | "pt154" | "cp154" | "cyrillicasian" => "ptcp154",
        "hproman8" | "roman8" | "r8" => "hp-roman8",
        "viscii" | "viscii111" => "viscii",
        "armscii8" => "armscii-8",
        "georgianps" => "georgian-ps",
        "pc8codepage437" => "cp437",
        "pc775baltic" => "cp775",
        "pc850multilingual" | "pcmultilingual850" => "cp850",
        "pcp852" => "cp852",
        "pcmultilingual850euro" => "cp858",
        "pc862latinhebrew" => "cp862",
        "ebcdiccpus" | "ebcdiccpca" | "ebcdiccpwt" | "ebcdiccpnl" | "ebcdic" => "cp037",
        "ebcdiccpbe" | "ebcdiccpch" => "cp500",
        "ebcdicus37euro" => "cp1140",
        _ => return None,
    })
}

/// ISO 8859 and its parts by Latin number, which the Web reads as Windows' supersets of them.
fn iso_8859(name: &str) -> Option<Charset> {
    let latin = ["isolatin", "latin", "l"].iter().find_map(|prefix| name.strip_prefix(prefix));
    let part = match latin {
        Some("1") => 1,
        Some("2") => 2,
        Some("3") => 3,
        Some("4") => 4,
        Some("5") => 9,
        Some("6") => 10,
        Some("7") => 13,
        Some("8") => 14,
        Some("9" | "0") => 15,
        Some("10") => 16,
        Some("cyrillic") => 5,
        Some("arabic") => 6,
        Some("greek") => 7,
        Some("hebrew") => 8,
        _ => {
            let digits = ["iso8859", "isoiec8859", "8859", "iso88599"]
                .iter()
                .find_map(|prefix| name.strip_prefix(prefix))?;
            let digits = digits.trim_end_matches("fdis");
            let digits = digits
                .strip_suffix(['i', 'e'])
                .filter(|it| matches!(*it, "6" | "8"))
                .unwrap_or(digits);
            digits.parse().ok()?
        }
    };
    if name.ends_with("8i") {
        return Some(Charset::Web(ISO_8859_8_I));
    }
    Encoding::for_label_no_replacement(format!("iso-8859-{part}").as_bytes()).map(Charset::Web)
}

/// A code page by its number, behind whatever a vendor puts before it.
fn numbered(name: &str) -> Option<Charset> {
    let start = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let page: u32 = name[start.len()..].parse().ok()?;
    let vendor = start.strip_prefix('x').unwrap_or(start);
    VENDORS.contains(&vendor).then(|| code_page(page)).flatten()
}

/// The family, whatever the member: escapes tell the rest.
fn iso_2022(name: &str) -> Option<Charset> {
    let set = match name.strip_prefix("iso2022")?.get(..2)? {
        "jp" => Set::Kana,
        "kr" => Set::Ksc5601,
        "cn" => Set::Gb2312,
        _ => return None,
    };
    Some(Charset::Iso2022(set))
}

fn code_page(page: u32) -> Option<Charset> {
    let web = |label: &str| Encoding::for_label_no_replacement(label.as_bytes()).map(Charset::Web);
    match page {
        367 | 20127 => Some(Charset::Ascii),
        1208 | 65001 => Some(Charset::Web(UTF_8)),
        65000 => Some(Charset::Utf7),
        1200 | 13488 => Some(Charset::Web(UTF_16LE)),
        1201 => Some(Charset::Web(UTF_16BE)),
        12000 => Some(Charset::Utf32(Some(false))),
        12001 => Some(Charset::Utf32(Some(true))),
        1250..=1258 | 874 => web(&format!("windows-{page}")),
        28591..=28606 => iso_8859(&format!("8859{}", page - 28590)),
        819 => web("iso-8859-1"),
        912 => web("iso-8859-2"),
        913 => web("iso-8859-3"),
        914 => web("iso-8859-4"),
        915 => web("iso-8859-5"),
        1089 => web("iso-8859-6"),
        813 => web("iso-8859-7"),
        916 | 38598 => web("iso-8859-8-i"),
        920 => web("iso-8859-9"),
        919 => web("iso-8859-10"),
        921 => web("iso-8859-13"),
        923 => web("iso-8859-15"),
        866 => web("ibm866"),
        878 | 20866 => Some(Charset::Web(KOI8_R)),
        1168 | 21866 => Some(Charset::Web(KOI8_U)),
        31 | 932 | 943 | 10001 => Some(Charset::Web(SHIFT_JIS)),
        954 | 20932 | 33722 | 51932 => Some(Charset::Web(EUC_JP)),
        50220..=50222 => Some(Charset::Iso2022(Set::Kana)),
        50225 => Some(Charset::Iso2022(Set::Ksc5601)),
        50227 | 50229 => Some(Charset::Iso2022(Set::Gb2312)),
        936 | 1386 | 20936 | 51936 => Some(Charset::Web(GBK)),
        52936 => Some(Charset::Hz),
        1392 | 54936 => Some(Charset::Web(GB18030)),
        950 | 951 | 1370 | 1375 | 10002 => Some(Charset::Web(BIG5)),
        949 | 970 | 1363 | 51949 | 10003 => Some(Charset::Web(EUC_KR)),
        1361 => Some(Charset::Johab),
        10000 => Some(Charset::Web(MACINTOSH)),
        10007 | 10017 => Some(Charset::Web(X_MAC_CYRILLIC)),
        10006 => named("macgreek"),
        10029 => named("macce"),
        10081 => named("macturkish"),
        10079 => named("maciceland"),
        10082 => named("maccroatian"),
        10010 => named("macromania"),
        20273 => pages::find("cp273").map(Charset::Page),
        20924 => pages::find("cp1047").map(Charset::Page),
        _ => pages::find(&format!("cp{page:03}")).map(Charset::Page),
    }
}

/// What stands before the number of a code page; nothing, too.
const VENDORS: [&str; 24] = [
    "",
    "cp",
    "cpx",
    "windows",
    "windowscp",
    "win",
    "wincp",
    "ms",
    "mscp",
    "msdos",
    "dos",
    "doscp",
    "ibm",
    "ibmcp",
    "oem",
    "pc",
    "codepage",
    "ccsid",
    "cpgr",
    "cpgs",
    "ansi",
    "sjis",
    "microsoftcp",
    "cswindows",
];

/// Longest label looked at, in octets; IANA's longest has 45.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(labels: &[&str], standard: &str) {
        let expected = find(standard);
        assert!(expected.is_some(), "{standard}");
        for label in labels {
            assert_eq!(find(label), expected, "{label}");
        }
    }

    #[test]
    fn one_charset_under_many_names() {
        same(&["UTF8", "utf_8", "utf-8-sig", "utf8mb4", "cp65001", "csUTF8", "\"UTF-8\""], "utf-8");
        same(&["ASCII", "ISO646-US", "cp367", "ANSI_X3.4-1968", "csASCII", "cp20127"], "us-ascii");
        same(
            &["latin-1", "ISO8859_1", "8859_1", "iso-ir-100", "csISOLatin1", "IBM819", "l1"],
            "iso-8859-1",
        );
        same(
            &["ISO_8859-2:1987", "iso8859-2", "latin2", "ISO8859_2", "cp28592", "l2"],
            "iso-8859-2",
        );
        same(&["ISO8859_15_FDIS", "latin9", "latin-9", "iso885915", "ibm923"], "iso-8859-15");
        same(
            &["windows1255", "cp1255", "win-1255", "x-cp1255", "1255", "cswindows1255"],
            "windows-1255",
        );
        same(
            &["sjis-win", "CP932", "ms932", "windows-31j", "csWindows31J", "MS_Kanji", "x-sjis"],
            "shift_jis",
        );
        same(&["eucJP-win", "EUC_JP", "eucjp-ms", "ujis", "cp51932"], "euc-jp");
    }

    #[test]
    fn and_in_east_asia_and_on_old_machines() {
        same(
            &[
                "ks_c_5601",
                "KSC5601",
                "ks_c_5601-1987",
                "cp949",
                "ms949",
                "x-windows-949",
                "uhc",
                "euc_kr",
            ],
            "euc-kr",
        );
        same(
            &["euc-cn", "x-euc-cn", "cp936", "gb2312-80", "EUC_CN", "MS936", "windows-936"],
            "gbk",
        );
        same(&["big5-eten", "cp950", "Big5_HKSCS", "windows-950", "csbig5"], "big5");
        same(
            &[
                "cp50220",
                "cp50221",
                "iso-2022-jp-ms",
                "iso-2022-jp-1",
                "iso2022_jp_2",
                "csISO2022JP",
            ],
            "iso-2022-jp",
        );
        same(&["iso2022kr", "csISO2022KR", "cp50225", "ISO_2022_KR"], "iso-2022-kr");
        same(&["hz", "HZGB2312", "hz_gb_2312"], "hz-gb-2312");
        same(&["ibm850", "850", "csPC850Multilingual", "dos-850", "x-cp850", "OEM850"], "cp850");
        same(&["IBM00858", "CCSID00858", "PC-Multilingual-850+euro"], "cp858");
        same(&["koi8_r", "cskoi8r", "cp20866", "KOI8"], "koi8-r");
        same(&["TIS-620", "iso-8859-11", "cp874", "x-windows-874"], "windows-874");
        same(&["mac_latin2", "x-MacCentralEurope", "cp10029"], "x-mac-ce");
        same(&["IBM037", "cp37", "ebcdic-cp-us", "csIBM037"], "cp037");
        same(&["iso-8859-8-I", "ISO_8859-8-I", "logical", "csISO88598I"], "iso-8859-8-i");
        same(&["utf_32", "UCS-4", "csUCS4"], "utf-32");
    }

    #[test]
    fn names_of_nothing() {
        for label in [
            "",
            "x-unknown",
            "unknown-8bit",
            "x-user-defined",
            "binary",
            "cp",
            "cp1",
            "_",
            "8bit",
            "iso-8859-12",
            "iso-8859-99",
            "default",
            "replacement",
            "windows-9999999999",
        ] {
            assert_eq!(find(label), None, "{label}");
        }
    }
}
