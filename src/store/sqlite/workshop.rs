//! The folder in which a repair works, and the mark that it leaves in it: a start looks for them.

use std::path::Path;

/// True if a repair was killed while it put the new database in place.
pub(super) fn is_interrupted(store: &Path) -> bool {
    store.join(WORKSHOP).join(MARK).exists()
}

/// True if there is a workshop, which a repair that was killed leaves.
pub(super) fn is_begun(store: &Path) -> bool {
    store.join(WORKSHOP).is_dir()
}

/// In the folder of the store.
pub(super) const WORKSHOP: &str = "repair";
/// In the workshop: the rest must be done.
pub(super) const MARK: &str = "replace";
