//! The columns of the table `events`: names, types and what they mean. SQL, answers and docs use these names.

/// The type of a column, as every engine reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Bytes.
    Binary,
    /// True or false.
    Boolean,
    /// A date without time.
    Date32,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// An instant in UTC, in microseconds.
    Timestamp,
    /// Text.
    Utf8,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name, everywhere.
    pub name: &'static str,
    /// Its type.
    pub kind: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// 16 bytes that name the event in its project; each is stored once.
pub const EVENT_ID: &str = "event_id";
/// track, page, screen, identify, group or alias. Questions count the first three.
pub const TYPE: &str = "type";
/// The event's name; `page` and `screen` for page and screen rows unless their dialect names them otherwise.
pub const EVENT: &str = "event";
/// A part of the project's events that has rules of its own; `product` by default.
pub const NAMESPACE: &str = "namespace";
/// When it happened, corrected for the client's clock by its protocol's rule; UTC, microseconds.
pub const TIMESTAMP: &str = "timestamp";
/// The UTC date of `timestamp`.
pub const DATE: &str = "date";
/// When the collector received it. A replay keeps it.
pub const RECEIVED_AT: &str = "received_at";
/// The client's own clock, where it differs from `timestamp`.
pub const ORIGINAL_TIMESTAMP: &str = "original_timestamp";
/// The number of the ingest commit that stored the row: the cursor for everything that follows the table.
pub const INGEST_SEQ: &str = "ingest_seq";
/// Index in the client's request: the last but one part of the total order (timestamp, received_at, position, event_id).
pub const POSITION: &str = "position";
/// The customer's own id of a known user.
pub const USER_ID: &str = "user_id";
/// An id a client made up, or the cookieless visitor id.
pub const ANONYMOUS_ID: &str = "anonymous_id";
/// XXH3-64 of `u:` + user_id, or of `a:` + anonymous_id where there is no user: the event's own id, before ties.
pub const PERSON_KEY: &str = "person_key";
/// The client's session id.
pub const SESSION_ID: &str = "session_id";
/// The organization or account the user acts for.
pub const GROUP_ID: &str = "group_id";
/// api, sdk, webhook or connector.
pub const SOURCE: &str = "source";
/// Name of the client library.
pub const LIBRARY: &str = "library";
/// Version of the client library.
pub const LIBRARY_VERSION: &str = "library_version";
/// The service that sent the event.
pub const SERVICE: &str = "service";
/// The version of that service, or of the app.
pub const SERVICE_VERSION: &str = "service_version";
/// The sender's id of the request that caused the event.
pub const REQUEST_ID: &str = "request_id";
/// Address of the page.
pub const URL: &str = "url";
/// Path of the page.
pub const PATH: &str = "path";
/// Host of the page.
pub const HOST: &str = "host";
/// Title of the page, or name of the page or screen call.
pub const TITLE: &str = "title";
/// Address of the page before.
pub const REFERRER: &str = "referrer";
/// Host of the page before.
pub const REFERRER_HOST: &str = "referrer_host";
/// Campaign source.
pub const UTM_SOURCE: &str = "utm_source";
/// Campaign medium.
pub const UTM_MEDIUM: &str = "utm_medium";
/// Campaign name.
pub const UTM_CAMPAIGN: &str = "utm_campaign";
/// Campaign term.
pub const UTM_TERM: &str = "utm_term";
/// Campaign content.
pub const UTM_CONTENT: &str = "utm_content";
/// Which advertising click id the address carried: gclid, fbclid, msclkid, ...
pub const CLICK_ID_TYPE: &str = "click_id_type";
/// That click id.
pub const CLICK_ID: &str = "click_id";
/// Where the visit came from: direct, organic_search, paid_search, organic_social, paid_social, email, referral, ...
pub const CHANNEL: &str = "channel";
/// Browser name.
pub const BROWSER: &str = "browser";
/// Browser version.
pub const BROWSER_VERSION: &str = "browser_version";
/// Operating system.
pub const OS: &str = "os";
/// Version of the operating system.
pub const OS_VERSION: &str = "os_version";
/// desktop, mobile, tablet, tv or console.
pub const DEVICE_TYPE: &str = "device_type";
/// ISO 3166-1 alpha-2 country code.
pub const COUNTRY: &str = "country";
/// Region within the country.
pub const REGION: &str = "region";
/// City.
pub const CITY: &str = "city";
/// The visitor's IANA time zone.
pub const TIMEZONE: &str = "timezone";
/// The visitor's language and region.
pub const LOCALE: &str = "locale";
/// Whether the sender is taken for a machine. Such events are marked, never dropped.
pub const IS_BOT: &str = "is_bot";
/// Why it is taken for a machine.
pub const BOT_REASON: &str = "bot_reason";
/// The event's properties: a JSON object as text, numbers exact.
pub const PROPERTIES: &str = "properties";
/// What the client said about its surroundings: a JSON object as text. A kept IP address lies in `context.ip`.
pub const CONTEXT: &str = "context";
/// The person's or group's traits on identify and group rows: a JSON object as text.
pub const TRAITS: &str = "traits";
/// The protocol the event came in by: native, segment, ...
pub const PROTOCOL: &str = "protocol";
/// `YYYY-MM` of `timestamp` in UTC: the partition.
pub const MONTH: &str = "month";

/// Every column of `events`, in the table's order; the partition column is last.
pub const EVENTS: &[Column] = &[
    Column {
        name: EVENT_ID,
        kind: ColumnType::Binary,
        nullable: false,
        meaning: "16 bytes that name the event in its project; each is stored once.",
    },
    Column {
        name: TYPE,
        kind: ColumnType::Utf8,
        nullable: false,
        meaning: "track, page, screen, identify, group or alias. Questions count the first three.",
    },
    Column {
        name: EVENT,
        kind: ColumnType::Utf8,
        nullable: false,
        meaning: "The event's name; `page` and `screen` for page and screen rows unless their dialect names them otherwise.",
    },
    Column {
        name: NAMESPACE,
        kind: ColumnType::Utf8,
        nullable: false,
        meaning: "A part of the project's events that has rules of its own; `product` by default.",
    },
    Column {
        name: TIMESTAMP,
        kind: ColumnType::Timestamp,
        nullable: false,
        meaning: "When it happened, corrected for the client's clock by its protocol's rule; UTC, microseconds.",
    },
    Column { name: DATE, kind: ColumnType::Date32, nullable: false, meaning: "The UTC date of `timestamp`." },
    Column {
        name: RECEIVED_AT,
        kind: ColumnType::Timestamp,
        nullable: false,
        meaning: "When the collector received it. A replay keeps it.",
    },
    Column {
        name: ORIGINAL_TIMESTAMP,
        kind: ColumnType::Timestamp,
        nullable: true,
        meaning: "The client's own clock, where it differs from `timestamp`.",
    },
    Column {
        name: INGEST_SEQ,
        kind: ColumnType::Int64,
        nullable: false,
        meaning: "The number of the ingest commit that stored the row: the cursor for everything that follows the table.",
    },
    Column {
        name: POSITION,
        kind: ColumnType::Int32,
        nullable: false,
        meaning: "Index in the client's request: the last but one part of the total order (timestamp, received_at, position, event_id).",
    },
    Column { name: USER_ID, kind: ColumnType::Utf8, nullable: true, meaning: "The customer's own id of a known user." },
    Column {
        name: ANONYMOUS_ID,
        kind: ColumnType::Utf8,
        nullable: true,
        meaning: "An id a client made up, or the cookieless visitor id.",
    },
    Column {
        name: PERSON_KEY,
        kind: ColumnType::Int64,
        nullable: false,
        meaning: "XXH3-64 of `u:` + user_id, or of `a:` + anonymous_id where there is no user: the event's own id, before ties.",
    },
    Column { name: SESSION_ID, kind: ColumnType::Utf8, nullable: true, meaning: "The client's session id." },
    Column {
        name: GROUP_ID,
        kind: ColumnType::Utf8,
        nullable: true,
        meaning: "The organization or account the user acts for.",
    },
    Column { name: SOURCE, kind: ColumnType::Utf8, nullable: false, meaning: "api, sdk, webhook or connector." },
    Column { name: LIBRARY, kind: ColumnType::Utf8, nullable: true, meaning: "Name of the client library." },
    Column { name: LIBRARY_VERSION, kind: ColumnType::Utf8, nullable: true, meaning: "Version of the client library." },
    Column { name: SERVICE, kind: ColumnType::Utf8, nullable: true, meaning: "The service that sent the event." },
    Column {
        name: SERVICE_VERSION,
        kind: ColumnType::Utf8,
        nullable: true,
        meaning: "The version of that service, or of the app.",
    },
    Column {
        name: REQUEST_ID,
        kind: ColumnType::Utf8,
        nullable: true,
        meaning: "The sender's id of the request that caused the event.",
    },
    Column { name: URL, kind: ColumnType::Utf8, nullable: true, meaning: "Address of the page." },
    Column { name: PATH, kind: ColumnType::Utf8, nullable: true, meaning: "Path of the page." },
    Column { name: HOST, kind: ColumnType::Utf8, nullable: true, meaning: "Host of the page." },
    Column {
        name: TITLE,
        kind: ColumnType::Utf8,
        nullable: true,
        meaning: "Title of the page, or name of the page or screen call.",
    },
    Column { name: REFERRER, kind: ColumnType::Utf8, nullable: true, meaning: "Address of the page before." },
    Column { name: REFERRER_HOST, kind: ColumnType::Utf8, nullable: true, meaning: "Host of the page before." },
    Column { name: UTM_SOURCE, kind: ColumnType::Utf8, nullable: true, meaning: "Campaign source." },
    Column { name: UTM_MEDIUM, kind: ColumnType::Utf8, nullable: true, meaning: "Campaign medium." },
    Column { name: UTM_CAMPAIGN, kind: ColumnType::Utf8, nullable: true, meaning: "Campaign name." },
    Column { name: UTM_TERM, kind: ColumnType::Utf8, nullable: true, meaning: "Campaign term." },
    Column { name: UTM_CONTENT, kind: ColumnType::Utf8, nullable: true, meaning: "Campaign content." },
    Column {
        name: CLICK_ID_TYPE,
        kind: ColumnType::Utf8,
        nullable: true,
        meaning: "Which advertising click id the address carried: gclid, fbclid, msclkid, ...",
    },
    Column { name: CLICK_ID, kind: ColumnType::Utf8, nullable: true, meaning: "That click id." },
    Column {
        name: CHANNEL,
        kind: ColumnType::Utf8,
        nullable: true,
        meaning: "Where the visit came from: direct, organic_search, paid_search, organic_social, paid_social, email, referral, ...",
    },
    Column { name: BROWSER, kind: ColumnType::Utf8, nullable: true, meaning: "Browser name." },
    Column { name: BROWSER_VERSION, kind: ColumnType::Utf8, nullable: true, meaning: "Browser version." },
    Column { name: OS, kind: ColumnType::Utf8, nullable: true, meaning: "Operating system." },
    Column { name: OS_VERSION, kind: ColumnType::Utf8, nullable: true, meaning: "Version of the operating system." },
    Column {
        name: DEVICE_TYPE,
        kind: ColumnType::Utf8,
        nullable: true,
        meaning: "desktop, mobile, tablet, tv or console.",
    },
    Column { name: COUNTRY, kind: ColumnType::Utf8, nullable: true, meaning: "ISO 3166-1 alpha-2 country code." },
    Column { name: REGION, kind: ColumnType::Utf8, nullable: true, meaning: "Region within the country." },
    Column { name: CITY, kind: ColumnType::Utf8, nullable: true, meaning: "City." },
    Column { name: TIMEZONE, kind: ColumnType::Utf8, nullable: true, meaning: "The visitor's IANA time zone." },
    Column { name: LOCALE, kind: ColumnType::Utf8, nullable: true, meaning: "The visitor's language and region." },
    Column {
        name: IS_BOT,
        kind: ColumnType::Boolean,
        nullable: false,
        meaning: "Whether the sender is taken for a machine. Such events are marked, never dropped.",
    },
    Column { name: BOT_REASON, kind: ColumnType::Utf8, nullable: true, meaning: "Why it is taken for a machine." },
    Column {
        name: PROPERTIES,
        kind: ColumnType::Utf8,
        nullable: true,
        meaning: "The event's properties: a JSON object as text, numbers exact.",
    },
    Column {
        name: CONTEXT,
        kind: ColumnType::Utf8,
        nullable: true,
        meaning: "What the client said about its surroundings: a JSON object as text. A kept IP address lies in `context.ip`.",
    },
    Column {
        name: TRAITS,
        kind: ColumnType::Utf8,
        nullable: true,
        meaning: "The person's or group's traits on identify and group rows: a JSON object as text.",
    },
    Column {
        name: PROTOCOL,
        kind: ColumnType::Utf8,
        nullable: false,
        meaning: "The protocol the event came in by: native, segment, ...",
    },
    Column {
        name: MONTH,
        kind: ColumnType::Utf8,
        nullable: false,
        meaning: "`YYYY-MM` of `timestamp` in UTC: the partition.",
    },
];

/// The column of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Column> {
    EVENTS.iter().find(|column| column.name == name)
}
