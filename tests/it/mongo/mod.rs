//! A real mongod, and what only a store in MongoDB can do wrong. What every store must do is in `store`.

mod damage;
mod deploy;
mod faults;
mod instances;
mod load;
mod migration;
mod schema;
mod server;

pub(crate) use server::Database;
