//! A value that cannot be logged by accident.

use std::fmt;

use zeroize::Zeroize;

/// Holds a password or token. `Debug` shows nothing of it; the only way in is [`Secret::declassify`]. Its
/// memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Each caller must be able to say why it needs it.
    pub const fn declassify(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn it_is_wiped_and_never_shown() {
        static WIPED: AtomicBool = AtomicBool::new(false);
        struct Told;
        impl Zeroize for Told {
            fn zeroize(&mut self) {
                WIPED.store(true, Ordering::SeqCst);
            }
        }
        let secret = Secret::new(Told);
        assert_eq!(format!("{secret:?}"), "***");
        drop(secret);
        assert!(WIPED.load(Ordering::SeqCst));
    }
}
