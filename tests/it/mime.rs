//! Messages and what we make of them, as golden files.
