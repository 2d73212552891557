//! The shape of the config text. `build` turns it into a [`super::Config`].
//!
//! The shape mirrors the text and knows nothing of meaning: a duration is a text here, and so is a rule. Every value keeps
//! its place, [`At`], for messages. The doc comments are what `vestibule schema` shows in an editor.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer};

use super::acme::AcmeFile;
use super::domains_from::DomainTableFile;
use super::either::{
    ConstantFile, DaysFromFile, DaysOfRoleFile, OriginFile, RoleFromFile, RowsFile, SecretFile, UpstreamFromFile,
};
use super::topics::TopicFile;

/// A value and its place in the text.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { span: spanned.span(), value: spanned.into_inner() })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl<T: Eq> Eq for At<T> {}
impl<T: PartialOrd> PartialOrd for At<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.value.partial_cmp(&other.value)
    }
}
impl<T: Ord> Ord for At<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.value.cmp(&other.value)
    }
}
impl Borrow<str> for At<String> {
    fn borrow(&self) -> &str {
        &self.value
    }
}

/// A text and its place.
pub(super) type Text = At<String>;

/// Vestibule's configuration.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Vestibule configuration")]
pub(super) struct ConfigFile {
    pub(super) server: ServerFile,
    #[serde(default)]
    pub(super) tls: TlsFile,
    pub(super) acme: Option<At<AcmeFile>>,
    pub(super) mail: Option<At<MailFile>>,
    #[serde(default)]
    pub(super) login: LoginFile,
    #[serde(default)]
    pub(super) session: SessionFile,
    #[serde(default)]
    pub(super) audit: AuditFile,
    /// Connections to tables of customers, by name.
    #[serde(default)]
    pub(super) source: BTreeMap<Text, SourceFile>,
    /// Protected applications, by name.
    #[serde(default)]
    pub(super) app: BTreeMap<Text, At<AppFile>>,
    #[serde(default)]
    pub(super) workspace: WorkspaceFile,
    /// The workspace team's own pages.
    pub(super) console: Option<At<ConsoleFile>>,
}

/// The workspace team's own pages. Who may use them has a role in `console`.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsoleFile {
    /// A host name of its own; without one it is reached at `server.admin` only.
    pub(super) domain: Option<Text>,
    /// The ways in: "email", "passkey", and names of OpenID providers.
    pub(super) login: Option<Vec<Text>>,
    #[serde(default)]
    pub(super) branding: BrandingFile,
}

/// Listeners, data folder and limits.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerFile {
    /// Address and port that accept TLS, such as "0.0.0.0:443".
    pub(super) https: Text,
    /// Address and port that redirect plain HTTP to https.
    pub(super) http: Option<Text>,
    /// Address and port of health and metrics; keep it private.
    pub(super) admin: Option<Text>,
    /// The port at which the world reaches `http`, where another machine forwards it; that of `http`, when left out.
    pub(super) public_http_port: Option<At<u16>>,
    /// The port at which the world reaches `https`, where another machine forwards it; that of `https`, when left out.
    pub(super) public_https_port: Option<At<u16>>,
    /// Folder of store, keys and the local CA.
    pub(super) data: Text,
    /// Networks whose X-Forwarded-* fields count.
    #[serde(default)]
    pub(super) trusted_proxies: Vec<Text>,
    /// Whether each connection from a trusted proxy begins with a header of the PROXY protocol (version 1 or 2).
    pub(super) proxy_protocol: Option<At<bool>>,
    /// How long running requests may take to end at a stop.
    pub(super) grace: Option<Text>,
    /// Whether changes of this file, and of the files that it names, are taken up by themselves. SIGHUP and `vestibule reload` work
    /// either way.
    pub(super) watch: Option<bool>,
    #[serde(default)]
    pub(super) limits: LimitsFile,
}

/// What clients may use.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsFile {
    /// Connections at a time.
    pub(super) connections: Option<At<u32>>,
    /// Size of a request's head, such as "32KiB".
    pub(super) header_bytes: Option<Text>,
    /// Fields of a request's head.
    pub(super) headers: Option<At<u32>>,
    /// How long a request's head may take to arrive.
    pub(super) header_read: Option<Text>,
    /// How long a connection may idle between requests.
    pub(super) idle: Option<Text>,
    /// Size of a request's body, such as "100MiB".
    pub(super) body_bytes: Option<Text>,
    /// Size of one row of a filtered answer, such as "1MiB".
    pub(super) row_bytes: Option<Text>,
    /// Certificates held in memory, of those that are read when they are first asked for.
    pub(super) certificates: Option<At<u32>>,
}

/// Where certificates come from.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsFile {
    /// Folder of PEM certificates and keys.
    pub(super) certs: Option<Text>,
    /// Issue certificates from a CA of our own, for trials and private networks.
    #[serde(default)]
    pub(super) local_ca: bool,
}

/// How mail leaves.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MailFile {
    /// The mail server: smtp://, smtp+starttls:// or smtps://, with user and password.
    pub(super) smtp: At<SecretFile>,
    /// The sender, such as "Example <login@example.com>".
    pub(super) from: Text,
    /// PEM file of the CA of the mail server's certificate, where it is a private one.
    pub(super) ca: Option<Text>,
    /// Notifications to one person, a day.
    pub(super) notifications_per_person: Option<At<u32>>,
}

/// Logging in.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginFile {
    /// The one host name that OpenID providers send people back to; without it, each domain takes its own back.
    pub(super) hub: Option<Text>,
    /// OpenID providers, by name.
    #[serde(default)]
    pub(super) oidc: BTreeMap<Text, ProviderFile>,
    /// How long link and code are good.
    pub(super) lifetime: Option<Text>,
    /// Mails to one address from one client network, an hour.
    pub(super) mails_per_address: Option<At<u32>>,
    /// Tries by one client network, an hour.
    pub(super) tries_per_client: Option<At<u32>>,
    /// Tries for one address from one client network, an hour.
    pub(super) tries_per_address: Option<At<u32>>,
    /// Tries by everybody together, a minute.
    pub(super) tries_in_total: Option<At<u32>>,
    /// Mails of one app, an hour.
    pub(super) mails_per_app: Option<At<u32>>,
}

/// An OpenID provider.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderFile {
    /// Its issuer identifier, such as `https://accounts.google.com`.
    pub(super) issuer: Text,
    /// The client id it gave us.
    pub(super) client_id: Text,
    /// The client secret it gave us; none for a public client.
    pub(super) client_secret: Option<At<SecretFile>>,
    /// What is asked for: "openid", "email" and "profile" when left out.
    pub(super) scopes: Option<Vec<Text>>,
    /// Mail domains whose people are sent there, and the only ones it may speak for; any, when left out.
    #[serde(default)]
    pub(super) email_domains: Vec<Text>,
    /// The claim that holds the address: "email" when left out.
    pub(super) email_claim: Option<Text>,
    /// The claim that says that the address is verified: "email_verified" when left out.
    pub(super) email_verified_claim: Option<Text>,
    /// Take the address although the provider does not say that it is verified.
    #[serde(default)]
    pub(super) trust_unverified_email: bool,
    /// The name on its button.
    pub(super) title: Option<Text>,
    /// Image file on its button: svg, png, jpg or webp.
    pub(super) icon: Option<Text>,
    /// PEM file of the CA of its certificate, where it is a private one.
    pub(super) ca: Option<Text>,
    /// Signatures that count: "RS256", "PS256", "ES256", "ES384" and "EdDSA" when left out.
    pub(super) algorithms: Option<Vec<Text>>,
    /// How far its clock may be off.
    pub(super) clock_skew: Option<Text>,
    /// How long it may take to answer.
    pub(super) timeout: Option<Text>,
    /// How often it is asked whether a person is still there, by refresh token; never, when left out.
    pub(super) recheck: Option<Text>,
    /// What becomes of a session that cannot be re-checked because the provider is down: "allow" or "deny".
    pub(super) recheck_when_down: Option<Text>,
    /// Whether logging out here logs out there too; it does when left out.
    pub(super) end_provider_session: Option<bool>,
}

/// How long sessions last.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionFile {
    /// Without a request.
    pub(super) idle: Option<Text>,
    /// In all.
    pub(super) absolute: Option<Text>,
    /// A preview: "30m" when left out, which is the most.
    pub(super) preview: Option<Text>,
}

/// The audit log.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditFile {
    /// How long its entries are kept, such as "400d".
    pub(super) keep: Option<Text>,
}

/// A connection to a table of customers.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceFile {
    /// "csv:people.csv" or "sqlite:crm.db", relative to this file; "postgres://", "mysql://" or "https://".
    pub(super) url: At<SecretFile>,
    /// How old an answer may be.
    pub(super) refresh: Option<Text>,
    /// How long known answers are good while the source cannot be read.
    pub(super) max_stale: Option<Text>,
    /// How long a database or web server may take to answer.
    pub(super) timeout: Option<Text>,
    /// PostgreSQL: the channel whose notifications (NOTIFY) make changes count at once.
    pub(super) notify: Option<Text>,
    /// https: "csv" or "json"; as the answer says, when left out.
    pub(super) format: Option<Text>,
    /// https: header fields of the request, such as Authorization.
    #[serde(default)]
    pub(super) headers: BTreeMap<Text, At<SecretFile>>,
    /// https, JSON: pointer (RFC 6901) to the list of rows; the answer itself, when left out.
    pub(super) rows: Option<Text>,
    /// https, JSON: columns, each with the pointer to its value in a row; each member of a row is a column, when left out.
    #[serde(default)]
    pub(super) fields: BTreeMap<Text, Text>,
    /// https, JSON: pointer to what names the next page: a URL, or the value of `next_param`.
    pub(super) next: Option<Text>,
    /// https, JSON: the query parameter that asks for the next page.
    pub(super) next_param: Option<Text>,
    /// https: PEM file of the CA of the server's certificate, where it is a private one.
    pub(super) ca: Option<Text>,
}

/// One protected application.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AppFile {
    /// Whether customers may use it now.
    pub(super) enabled: Option<bool>,
    /// Host names that reach it.
    #[serde(default)]
    pub(super) domains: Vec<Text>,
    /// The origin server: "http://host:port", "https://host" or "unix:/path", or a table of several.
    pub(super) upstream: At<UpstreamFromFile>,
    /// PEM file of the CA of the one origin's certificate, where it is a private one; `ca` where `upstream` is a table.
    pub(super) upstream_ca: Option<Text>,
    /// The ways in: "email", "passkey", and names of OpenID providers.
    pub(super) login: Option<Vec<Text>>,
    /// Whether people go straight to the provider where that is the only way in; they do when left out.
    pub(super) skip_login_page: Option<bool>,
    /// The role of rows that name none.
    pub(super) roles_default: Option<Text>,
    /// The time zone that days begin in, such as "Europe/Sofia".
    pub(super) time_zone: Option<Text>,
    /// Ambiguous path forms that the app needs.
    #[serde(default)]
    pub(super) path_allow: Vec<Text>,
    /// Size of a request's body, such as "1GiB".
    pub(super) body_bytes: Option<Text>,
    #[serde(default)]
    pub(super) timeouts: TimeoutsFile,
    #[serde(default)]
    pub(super) branding: BrandingFile,
    #[serde(default)]
    pub(super) identity: IdentityFile,
    /// Headers set on every request to the upstream.
    #[serde(default)]
    pub(super) request_headers: BTreeMap<Text, Text>,
    /// Headers set on every answer of the app.
    #[serde(default)]
    pub(super) response_headers: BTreeMap<Text, Text>,
    /// Further domains, with a customer or branding of their own.
    #[serde(default)]
    pub(super) domain: Vec<DomainFile>,
    /// Tables that name further domains.
    #[serde(default)]
    pub(super) domains_from: Vec<At<DomainTableFile>>,
    /// Whether previews may also change something; they only read when left out.
    pub(super) preview_writes: Option<bool>,
    /// The highest role that can be previewed; any, when left out.
    pub(super) preview_max_role: Option<Text>,
    /// Customer lists.
    #[serde(default)]
    pub(super) customers: Vec<At<CustomerListFile>>,
    /// Roles, by name.
    #[serde(default)]
    pub(super) role: BTreeMap<Text, RoleFile>,
    /// What people are notified of, by name; each can switch off what they do not want.
    #[serde(default)]
    pub(super) topic: BTreeMap<Text, TopicFile>,
    /// Customers look after their own people.
    pub(super) team: Option<TeamFile>,
}

/// `[app.NAME.team]`
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamFile {
    /// The highest role that customers may give: one that it includes, or itself.
    pub(super) max_role: Option<Text>,
    /// How long an invitation may be accepted, such as "7d".
    pub(super) invitation_lifetime: Option<Text>,
    /// The role of somebody who becomes an organisation of their own.
    pub(super) owner_role: Option<Text>,
    /// How many people a customer may have beside those of the tables.
    pub(super) max_members: Option<u32>,
}

/// The origin servers, and how they are dealt with.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamFile {
    /// The servers: "http://host:port", "https://host" or "unix:/path", or { url = "…", weight = 3 }.
    #[serde(default)]
    pub(super) servers: Vec<At<OriginFile>>,
    /// Which of them a request goes to: "round-robin", "least-requests" or "client" (by its address).
    pub(super) balance: Option<Text>,
    pub(super) health: Option<At<HealthFile>>,
    /// Failures in a row after which a server is left alone for a while.
    pub(super) eject_after: Option<At<u32>>,
    /// How long the first time; it doubles each time in a row.
    pub(super) eject_for: Option<Text>,
    /// How often a request that a server did not take may be sent again.
    pub(super) retries: Option<At<u32>>,
    /// Requests at a time, at all servers together; any number, when left out.
    pub(super) max_connections: Option<At<u32>>,
    /// How many more may wait for their turn.
    pub(super) queue: Option<At<u32>>,
    /// How long they may wait.
    pub(super) queue_timeout: Option<Text>,
    /// The Host that the servers see: "keep" (the customer's), "upstream" (the server's own) or a name.
    pub(super) host: Option<Text>,
    /// What is taken off the beginning of paths; other paths are not found.
    pub(super) strip_prefix: Option<Text>,
    /// What is put before paths.
    pub(super) add_prefix: Option<Text>,
    /// PEM file of the CA of the servers' certificates, where it is a private one.
    pub(super) ca: Option<Text>,
    /// The name that TLS asks for and checks, where it is not the server's own.
    pub(super) sni: Option<Text>,
    /// PEM file of the certificate that the gateway shows to the servers.
    pub(super) client_certificate: Option<Text>,
    /// PEM file of its key.
    pub(super) client_key: Option<Text>,
    /// What is spoken: "http/1.1", "h2" (over TLS) or "h2c" (without).
    pub(super) protocol: Option<Text>,
    /// Begin each connection with the client's address: "v1" or "v2" of the PROXY protocol.
    pub(super) proxy_protocol: Option<Text>,
}

/// How servers are asked whether they are well.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthFile {
    /// What is asked for; without it, a server that takes a connection is well.
    pub(super) path: Option<Text>,
    /// How often.
    pub(super) interval: Option<Text>,
    /// How long an answer may take.
    pub(super) timeout: Option<Text>,
    /// Good answers in a row after which a server is well again.
    pub(super) healthy_after: Option<At<u32>>,
    /// Bad answers in a row after which a server is down.
    pub(super) unhealthy_after: Option<At<u32>>,
    /// The good statuses; 200 when left out.
    #[serde(default)]
    pub(super) status: Vec<At<u16>>,
    /// The Host of the question, where it is not the server's own.
    pub(super) host: Option<Text>,
}

/// How long the upstream may take.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TimeoutsFile {
    /// To accept a connection.
    pub(super) connect: Option<Text>,
    /// To send something.
    pub(super) response: Option<Text>,
}

/// How the pages look.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BrandingFile {
    /// The name that customers see.
    pub(super) title: Option<Text>,
    /// Image file: svg, png, jpg or webp.
    pub(super) logo: Option<Text>,
    /// The same for dark pages; without it, the logo stands on a white ground there.
    pub(super) logo_dark: Option<Text>,
    /// Small square image file for the browser's tab; without it, the logo.
    pub(super) icon: Option<Text>,
    /// Colour, such as "#0b5fff".
    pub(super) color: Option<Text>,
}

/// What the upstream is told.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityFile {
    /// "access", "forwarded", "remote", "auth-request" or "none".
    pub(super) headers: Option<Text>,
    pub(super) jwt: Option<JwtFile>,
    /// Further headers, with fields such as "{customer.id}".
    #[serde(default)]
    pub(super) extra: BTreeMap<Text, Text>,
}

/// A signed assertion in a header.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JwtFile {
    /// The header's name.
    pub(super) header: Option<Text>,
    /// The `aud` claim; the app's name when left out.
    pub(super) audience: Option<Text>,
    /// How long one is good.
    pub(super) lifetime: Option<Text>,
    /// Further claims, with fields such as "{attributes.region}".
    #[serde(default)]
    pub(super) claims: BTreeMap<Text, Text>,
}

/// A domain with a customer or branding of its own.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DomainFile {
    /// The host name.
    pub(super) host: Text,
    /// The only customer whose people may use it.
    pub(super) customer: Option<Text>,
    #[serde(default)]
    pub(super) branding: BrandingFile,
}

/// A customer list: which rows of a source's table may enter, and as what.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomerListFile {
    /// Its name, for people.
    pub(super) name: Option<Text>,
    /// The source.
    pub(super) source: Text,
    /// The table or view, where the source has several.
    pub(super) table: Option<Text>,
    /// Column of the email.
    pub(super) email: Text,
    /// Column of the customer's key.
    pub(super) customer: Option<Text>,
    /// Column of the customer's name.
    pub(super) customer_name: Option<Text>,
    /// Column of the person's name.
    pub(super) person: Option<Text>,
    /// Column of the person's language.
    pub(super) language: Option<Text>,
    /// How many days back its people may see: a column, a number, or { column = "COLUMN", default = NUMBER }.
    pub(super) days_back: Option<At<DaysFromFile>>,
    /// Column of remarks.
    pub(super) notes: Option<Text>,
    /// Further columns for headers and claims, by the name of the attribute.
    #[serde(default)]
    pub(super) attributes: BTreeMap<Text, Text>,
    /// "NAME", { name = "NAME" } or { column = "COLUMN" }.
    pub(super) role: Option<At<RoleFromFile>>,
    /// Which rows may enter: a CEL condition.
    #[serde(rename = "where")]
    pub(super) condition: Option<Text>,
    /// Roles by condition; the first that holds.
    #[serde(default)]
    pub(super) assign: Vec<AssignFile>,
    /// Whether records change the role and days back of people whom this list names.
    #[serde(default)]
    pub(super) adjustable: bool,
}

/// A role by condition.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignFile {
    /// The role.
    pub(super) role: Text,
    /// When it is given: a CEL condition.
    pub(super) when: Text,
}

/// A role: a named set of rules.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleFile {
    /// What people read in its place. Without one, they read its name.
    pub(super) title: Option<Text>,
    /// Roles whose rules come after its own.
    #[serde(default)]
    pub(super) includes: Vec<Text>,
    /// Holders enter only where this CEL condition is true.
    pub(super) when: Option<Text>,
    /// Holders have to come by one of these: "passkey", "oidc", "email", or a provider's name.
    pub(super) require: Option<Vec<Text>>,
    /// Rules; the first that matches decides.
    #[serde(default)]
    pub(super) rules: Vec<At<RuleFile>>,
    /// Its number on the ladder, for headers.
    pub(super) level: Option<u32>,
    /// Whether nobody may take it away from who has it.
    #[serde(default)]
    pub(super) irrevocable: bool,
    /// What its holders may do on the team page, for their own customer: "members", "invite", "roles", "remove", "dashboard",
    /// "independent".
    #[serde(default)]
    pub(super) portal: Vec<Text>,
    /// How many days back its holders may see, where neither row nor list says: a number, or "unlimited".
    pub(super) days_back: Option<At<DaysOfRoleFile>>,
}

/// { allow = "GET /orders/**" } or { deny = "* /admin/**" }, and what it narrows.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    /// Methods and path that may pass.
    pub(super) allow: Option<Text>,
    /// Methods and path that may not.
    pub(super) deny: Option<Text>,
    /// Which requests: a CEL condition.
    pub(super) when: Option<Text>,
    /// Parameters that are set, whatever the client sends, with fields such as "{customer.id}".
    #[serde(default)]
    pub(super) query: BTreeMap<Text, Text>,
    /// The only parameters of the client's own that go on.
    pub(super) query_only: Option<Vec<Text>>,
    /// Further parameters whose value names members, beside "sort" and the like: a hidden one there is refused.
    #[serde(default)]
    pub(super) field_params: Vec<Text>,
    /// Members that are removed: names, or ways such as "rows[].price".
    #[serde(default)]
    pub(super) hide: Vec<Text>,
    /// Members whose value is replaced.
    #[serde(default)]
    pub(super) set: BTreeMap<Text, At<ConstantFile>>,
    /// Which rows are kept: a CEL condition, or { at = "data.rows", keep = "CONDITION" }.
    pub(super) rows: Option<At<RowsFile>>,
    /// CSS selectors of HTML elements that are removed.
    #[serde(default)]
    pub(super) remove: Vec<Text>,
    /// Content types that are let through as they are, such as "image/*".
    #[serde(default)]
    pub(super) pass: Vec<Text>,
}

/// The platform's own people.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkspaceFile {
    /// Members of staff.
    #[serde(default)]
    pub(super) user: Vec<WorkspaceUserFile>,
    /// Members of staff by what an OpenID provider says of them.
    pub(super) oidc: Option<WorkspaceOidcFile>,
}

/// Staff by OpenID provider.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkspaceOidcFile {
    /// The provider.
    pub(super) provider: Text,
    /// The claim that lists a person's groups: "groups" when left out.
    pub(super) claim: Option<Text>,
    /// Groups, the strongest first.
    #[serde(default)]
    pub(super) group: Vec<WorkspaceGroupFile>,
}

/// What a group of the provider's may do.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkspaceGroupFile {
    /// The group, as the claim has it.
    pub(super) name: Text,
    /// A role per app.
    #[serde(default)]
    pub(super) roles: BTreeMap<Text, Text>,
    /// Apps that its people may see as their customers do.
    #[serde(default)]
    pub(super) preview: Vec<Text>,
}

/// A member of staff.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkspaceUserFile {
    /// The address.
    pub(super) email: Text,
    /// The name.
    pub(super) name: Option<Text>,
    /// A role per app.
    #[serde(default)]
    pub(super) roles: BTreeMap<Text, Text>,
    /// Apps that the person may see as their customers do.
    #[serde(default)]
    pub(super) preview: Vec<Text>,
}

/// The JSON Schema of the config file, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ConfigFile).to_value()
}
