//! To come below.
