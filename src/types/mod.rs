//! Names become types: parse or refuse.
//!
//! Whatever arrives as text (an address, a host, a request path, a role's name) is turned into one of these types at the
//! edge and is right from then on. Nothing here reads a clock, a file or a header map, and nothing here uses another room.

mod color;
mod email;
mod host;
mod language;
mod names;
mod path;
mod secret;
mod smtp;
mod way;

pub use color::{Color, InvalidColor};
pub use email::{Email, InvalidEmail};
pub use host::{HostName, InvalidHostName};
pub use language::Language;
pub use names::{
    AppName, ColumnName, CustomerId, DisplayName, InvalidName, ProviderName, RoleName, SourceName, TableName, TopicName,
};
pub use path::{Ambiguity, AmbiguousPath, PathAllowances, RequestPath};
pub use secret::Secret;
pub use smtp::{InvalidSenderAddress, InvalidSmtpServer, SenderAddress, SmtpLogin, SmtpSecurity, SmtpServer};
pub use way::{RequiredWay, Requirement, Way};
