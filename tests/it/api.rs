//! The whole API: what Svix's SDKs ask beyond publishing, told as stories.

mod access;
mod clients;
mod dialect;
mod environment;
mod erased;
mod kept;
mod moments;
pub mod openapi;
mod operational;
mod paging;
mod places;
mod recorded;
mod round_trip;
pub mod sdk;
mod standing;
mod svix;
mod upsert;
pub mod watched;
