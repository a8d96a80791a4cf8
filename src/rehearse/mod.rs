//! Rehearsing: what the providers send, sent on purpose, with faults; and a receiver graded by how it bears them.
//!
//! `fault` names what can go wrong; `shot` is one request with or without a fault, signed when it is fired; `salvo` fires
//! them in order and says what each got; `grade` plays everything at a receiver, point by point, and `observe` asks
//! what it made of it; `report` shows the grades.

pub mod fault;
pub mod grade;
mod observe;
mod point;
pub mod report;
pub mod salvo;
mod shot;
