//! The head that SCRAM and OAUTHBEARER messages have in common (RFC 5801 §4).

use super::Fault;

/// `gs2-header = gs2-cb-flag "," [authzid] ","`, and what follows it.
pub(super) struct Header<'a> {
    /// As it was sent, with both commas: SCRAM signs it.
    pub(super) text: &'a str,
    /// Who the client wants to act as, decoded; empty for itself.
    pub(super) authzid: String,
    pub(super) rest: &'a str,
}

impl<'a> Header<'a> {
    /// Channel binding (`p=`) is not offered, so a client that demands it has to fail. `y` means that
    /// the client could do it and believes us that we cannot, which is true.
    pub(super) fn read(message: &'a str) -> Result<Self, Fault> {
        let mut parts = message.splitn(3, ',');
        let (Some("n" | "y"), Some(authzid), Some(rest)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(Fault::Malformed);
        };
        let authzid = match authzid.strip_prefix("a=") {
            Some(name) => saslname(name)?,
            None if authzid.is_empty() => String::new(),
            None => return Err(Fault::Malformed),
        };
        let (text, rest) = message.split_at(message.len() - rest.len());
        Ok(Self { text, authzid, rest })
    }
}

/// `saslname`: never empty, `=2C` is a comma, `=3D` an equals sign, and nothing else follows an equals
/// sign (RFC 5802 §5.1).
pub(super) fn saslname(text: &str) -> Result<String, Fault> {
    let mut parts = text.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match part.split_at_checked(2) {
            Some(("2C", rest)) => (',', rest),
            Some(("3D", rest)) => ('=', rest),
            _ => return Err(Fault::Malformed),
        };
        name.push(sign);
        name.push_str(rest);
    }
    if name.is_empty() || name.contains('\0') { Err(Fault::Malformed) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        for (message, expected) in [
            ("n,,n=user,r=x", Ok(("n,,", "", "n=user,r=x"))),
            ("y,a=ann,", Ok(("y,a=ann,", "ann", ""))),
            ("n,a=a=2Cb=3D=3D,,", Ok(("n,a=a=2Cb=3D=3D,", "a,b==", ","))),
            ("p=tls-exporter,,x", Err(Fault::Malformed)),
            ("n,b=x,", Err(Fault::Malformed)),
            ("n,a=,", Err(Fault::Malformed)),
            ("n,a==2,", Err(Fault::Malformed)),
            ("n,a==2c,", Err(Fault::Malformed)),
            ("n,a==é,", Err(Fault::Malformed)),
            ("n,a=x", Err(Fault::Malformed)),
            ("", Err(Fault::Malformed)),
        ] {
            let read = Header::read(message);
            let shown = read.as_ref().map(|it| (it.text, &*it.authzid, it.rest)).map_err(|it| *it);
            assert_eq!(shown, expected, "{message}");
        }
    }
}
