//! The pages and the schemas in `docs` against the code: the contract of the JSON is what
//! the types say, each mechanism has its section, and every link leads somewhere.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

#[path = "docs/links.rs"]
mod links;
#[path = "docs/mechanisms.rs"]
mod mechanisms;
#[path = "docs/schema.rs"]
mod schema;
