//! The whole API: what Svix's SDKs ask beyond publishing, told as stories.

mod access;
mod environment;
mod erased;
mod operational;
mod places;
mod standing;
mod svix;
