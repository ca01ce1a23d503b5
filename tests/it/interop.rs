//! Real programs against the real binary.
