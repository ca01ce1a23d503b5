//! Keeps house: file headers, the import table, purity.
