//! The scenarios as tests.
