//! Who is asked to log in sees no mail before: whatever stands in cookies, in Authorization and in the
//! form, since nobody here knows the password or the token.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::Mutex,
};

use super::http::{House, SECRET};

/// The first octet chooses between the form and a request with any fields; the first line of the rest
/// is its path.
pub fn run(octets: &[u8]) {
    let Some((&how, said)) = octets.split_first() else { return };
    let request = if how & 1 == 1 { form(said) } else { fields(said, how) };
    if request.len() > 16_000 {
        return;
    }
    static HOUSE: Mutex<Option<House>> = Mutex::new(None);
    let mut held = HOUSE.lock().expect("no panic before");
    let answer = held.get_or_insert_with(house).answer(&request, is_whole(&request));
    let heard = String::from_utf8_lossy(&answer);
    assert!(!heard.starts_with("HTTP/1.1 50"), "{heard}");
    assert!(!heard.contains(SECRET), "mail without a login: {heard}");
    for cookie in heard.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
        assert!(cookie.contains("Max-Age=0"), "a session for nobody: {heard}");
    }
}

/// The end of its header is the end of it, or its length is right.
fn is_whole(request: &[u8]) -> bool {
    let ends = request.windows(4).filter(|four| four == b"\r\n\r\n").count();
    request.starts_with(b"POST /login ") || (ends == 1 && request.ends_with(b"\r\n\r\n"))
}

fn form(said: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        said.len()
    );
    [head.as_bytes(), said].concat()
}

fn fields(said: &[u8], how: u8) -> Vec<u8> {
    let mut lines = said.split(|octet| *octet == b'\n');
    let path = lines.next().unwrap_or_default();
    let path = if path.starts_with(b"/") { path } else { b"/api/messages" };
    let method = [&b"GET"[..], b"HEAD", b"POST"][usize::from(how / 2) % 3];
    let mut request = [method, b" ", path, b" HTTP/1.1\r\nHost: localhost\r\n"].concat();
    for line in lines {
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

fn house() -> House {
    // Nobody can know them, and the fuzzer, which watches comparisons, must not learn them either.
    let random = || RandomState::new().build_hasher().finish();
    let (password, token) = (random(), format!("{:016x}", random()).repeat(4));
    House::new(&format!(
        "[http]\nlogin = \"required\"\n[http.tokens]\nci = \"sha256:{token}\"\n\
         [auth]\nfailure_seconds = 0\nfailures = 0\nuser_failures = 0\n\
         [auth.secrets]\nann = \"{password:016x}\"\n"
    ))
}
