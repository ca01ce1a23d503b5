//! Receive buffers, lent out while there is something to read.
//!
//! A connection that waits holds none: ten thousand idle clients cost no buffers at all.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
};

/// A receive buffer of a fixed size, given back to the pool when dropped.
#[derive(Debug)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// Takes one from the pool, or makes one.
    pub fn lend() -> Self {
        let pooled = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self(pooled.unwrap_or_else(|| vec![0; SIZE]))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOLED {
            pool.push(std::mem::take(&mut self.0));
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

static POOL: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Octets in a buffer: a loopback or fast network delivers this much at once.
const SIZE: usize = 64 * 1024;

/// Buffers kept for the next reader; more than this many are busy only in a burst.
const POOLED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_buffers_are_kept() {
        let lent: Vec<_> = (0..4 * POOLED).map(|_| Buffer::lend()).collect();
        drop(lent);
        // Other tests take and give at the same time, but never beyond.
        let pool = POOL.lock().unwrap();
        assert!((1..=POOLED).contains(&pool.len()), "{}", pool.len());
    }
}
