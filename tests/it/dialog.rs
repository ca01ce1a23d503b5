//! SMTP conversations as data: each file of tests/dialogs is played four ways.
