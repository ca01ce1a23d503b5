//! Names of time zones. Those of RFC 5322 §4.3, and others that mail has and that mean one zone only:
//! IST is India's, Israel's and Ireland's, so it is not here.

/// Minutes east of Greenwich.
pub(super) fn minutes(name: &str) -> Option<i64> {
    let found = ZONES
        .iter()
        .find(|(_, names)| names.split(' ').any(|known| known.eq_ignore_ascii_case(name)));
    found.map(|(minutes, _)| *minutes)
}

const ZONES: [(i64, &str); 22] = [
    (-600, "HST"),
    (-540, "AKST HDT"),
    (-480, "PST AKDT"),
    (-420, "MST PDT"),
    (-360, "CST MDT"),
    (-300, "EST CDT"),
    (-240, "EDT AST"),
    (-210, "NST"),
    (-180, "ADT BRT"),
    (-150, "NDT"),
    // The military ones do not say which side of Greenwich they mean (RFC 5322 §4.3).
    (0, "UT UTC GMT Z WET A B C D E F G H I K L M N O P Q R S T U V W X Y"),
    (60, "CET MET MEZ BST WEST WAT"),
    (120, "CEST MEST MESZ EET SAST CAT"),
    (180, "EEST MSK EAT"),
    (240, "MSD"),
    (420, "WIB"),
    (480, "HKT SGT AWST"),
    (540, "JST KST"),
    (570, "ACST"),
    (600, "AEST"),
    (660, "AEDT"),
    (720, "NZST"),
];
