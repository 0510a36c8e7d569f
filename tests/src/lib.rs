//! The whole pipeline from outside.
