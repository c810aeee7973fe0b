//! The first ten minutes of a newcomer: README's commands are run as they stand, by the real binary,
//! and what they answer is compared with what README shows. The documents that list what the code
//! also knows (limits, settings, error reasons) are compared with the code.

#[path = "readme/demo.rs"]
mod demo;
#[path = "readme/documents.rs"]
mod documents;
#[path = "readme/first_minutes.rs"]
mod first_minutes;
#[path = "readme/installation.rs"]
mod installation;
#[path = "readme/markdown.rs"]
mod markdown;
#[path = "readme/settings.rs"]
mod settings;
#[path = "readme/smallest.rs"]
mod smallest;
