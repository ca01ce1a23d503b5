//! The conformance suite of stores, run on every backend.
