//! The types of pictures that every browser shows, under all the names that they have had.
//!
//! Old programs write names from before the registry had one (`image/x-png`), and some never learn.

/// The present name of such a type; none for a picture that not every browser shows, and for SVG, which
/// can act.
pub fn known(content_type: &str) -> Option<&'static str> {
    Some(match content_type {
        "image/png" | "image/x-png" | "image/apng" | "image/vnd.mozilla.apng" => "image/png",
        "image/jpeg" | "image/jpg" | "image/pjpeg" | "image/pjpg" | "image/x-jpeg"
        | "image/x-jpg" | "image/jfif" | "image/jpe" => "image/jpeg",
        "image/gif" | "image/x-gif" | "image/gi_" => "image/gif",
        "image/webp" | "image/x-webp" => "image/webp",
        "image/bmp"
        | "image/x-bmp"
        | "image/x-ms-bmp"
        | "image/ms-bmp"
        | "image/x-bitmap"
        | "image/x-windows-bmp"
        | "image/x-win-bitmap" => "image/bmp",
        "image/avif" => "image/avif",
        _ => return None,
    })
}
