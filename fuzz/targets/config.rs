//! The configuration: any file and any variables are taken or refused in one line that names the place.

use smtpd::config::Config;

/// Up to a line `---` the file, behind it variables, a line each.
pub fn run(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let (file, variables) = text.split_once("\n---\n").unwrap_or((&text, ""));
    let variables = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (format!("SMTPD_{name}"), value.to_owned()));
    match Config::from_text("smtpd.toml", file, variables) {
        Ok(loaded) => {
            for warning in loaded.warnings {
                assert!(!warning.contains('\n'), "{warning}");
            }
        }
        Err(error) => {
            let error = error.to_string();
            assert!(!error.is_empty() && !error.contains('\n'), "{error:?}");
        }
    }
}
