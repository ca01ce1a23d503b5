//! A set of [`Defect`]s: one word of memory however often a message errs.

use super::Defect;

/// Each defect once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Defects(u32);

impl Defects {
    /// Notes a defect.
    pub(super) fn insert(&mut self, defect: Defect) {
        self.0 |= 1 << defect as u32;
    }

    /// Notes a defect if `found`.
    pub(super) fn insert_if(&mut self, found: bool, defect: Defect) {
        if found {
            self.insert(defect);
        }
    }

    /// True if it was noted.
    pub(super) fn contains(self, defect: Defect) -> bool {
        self.0 & (1 << defect as u32) != 0
    }

    /// In the order of their declaration.
    pub(super) fn into_vec(self) -> Vec<Defect> {
        Defect::ALL.into_iter().filter(|&defect| self.contains(defect)).collect()
    }
}
