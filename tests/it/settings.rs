//! The configuration: defaults, overrides, and broken files with their messages.
