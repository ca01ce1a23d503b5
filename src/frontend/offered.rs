//! What the sessions of a listener are told to be. The logins among it depend on the users, which come and go.

use std::sync::{Arc, Mutex, PoisonError};

use crate::auth::Auth;

/// Options that all sessions share which begin while the users stay the same.
pub struct Offered<T>(Mutex<(u64, Arc<T>)>);

impl<T> Offered<T> {
    /// As they are now.
    pub fn new(users: &Auth, make: impl FnOnce() -> T) -> Self {
        let generation = users.generation();
        Self(Mutex::new((generation, Arc::new(make()))))
    }

    /// For a session that begins now; they are made anew if there may be other users.
    pub fn now(&self, users: &Auth, make: impl FnOnce(&T) -> T) -> Arc<T> {
        // Asked first: whoever reads users again meanwhile makes the next session look again.
        let generation = users.generation();
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 != generation {
            *current = (generation, Arc::new(make(&current.1)));
        }
        current.1.clone()
    }
}
