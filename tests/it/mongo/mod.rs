//! A real mongod, and what only a store in MongoDB can do wrong. What every store must do is in `store`.

mod server;

pub(crate) use server::{Database, Mongod, ReplicaSet};
