//! The shop of the lake's storage budget: sessions of some busy and many rare visitors, a chain of forty kinds of event,
//! days that fill up as visits do. The same events for the same number of visits.

use anyhow::Result;
use event_model::{Event, EventId, Json, ProjectId, Timestamp};
use event_queue::{Compression, Envelope, Geo, Outgoing};

/// How event ids are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// UUID version 4.
    Random,
    /// UUID version 7: 48 bits of milliseconds first.
    ByTime,
}

const NAMES: [&str; 40] = [
    "page_view",
    "view_item",
    "search",
    "scroll",
    "click",
    "add_to_cart",
    "checkout",
    "purchase",
    "signup",
    "login",
    "logout",
    "wishlist_add",
    "remove_from_cart",
    "view_cart",
    "apply_coupon",
    "review_read",
    "review_write",
    "filter_apply",
    "sort_apply",
    "image_zoom",
    "video_play",
    "share",
    "newsletter_subscribe",
    "notification_open",
    "chat_open",
    "chat_message",
    "return_request",
    "order_track",
    "profile_update",
    "address_add",
    "payment_add",
    "payment_error",
    "form_error",
    "app_open",
    "app_background",
    "push_received",
    "compare_add",
    "store_locate",
    "gift_card_view",
    "refund_issued",
];
const PRICED: [&str; 8] = [
    "view_item",
    "add_to_cart",
    "remove_from_cart",
    "checkout",
    "purchase",
    "wishlist_add",
    "compare_add",
    "refund_issued",
];
const COUNTED: [&str; 4] = ["add_to_cart", "remove_from_cart", "checkout", "purchase"];
const COUNTRIES: &str = "US DE GB FR IN BR JP CA AU NL ES IT SE PL MX CH AT BE DK NO FI IE PT CZ RO GR HU TR ZA NG EG KE IL AE \
                         SA SG MY TH VN ID PH KR TW HK CN NZ AR CL CO PE UA BG HR RS SK SI LT LV EE LU";
const PLANS: [&str; 4] = ["free", "starter", "pro", "enterprise"];
const DEVICES: [&str; 3] = ["mobile", "desktop", "tablet"];
const BROWSERS: [&str; 6] = ["chrome", "safari", "firefox", "edge", "samsung", "opera"];
const SYSTEMS: [&str; 5] = ["ios", "android", "windows", "macos", "linux"];
const CAMPAIGNS: [&str; 8] =
    ["google", "newsletter", "facebook", "instagram", "tiktok", "bing", "affiliate", "podcast"];
const CATEGORIES: [&str; 12] =
    ["shoes", "shirts", "jackets", "bags", "watches", "books", "toys", "garden", "audio", "phones", "beauty", "food"];
const REFERRERS: [&str; 5] =
    ["", "https://www.google.com/", "https://www.facebook.com/", "https://t.co/", "https://news.ycombinator.com/"];
const VIEWPORTS: [&str; 6] = ["390x844", "412x915", "1440x900", "1920x1080", "1366x768", "820x1180"];

const DAY: u64 = 86_400_000_000;
/// When the shop opens: 2026-03-02, a Monday.
const OPENS: u64 = 1_772_409_600_000_000;
/// Visits of one message: a server that sends for its visitors.
const EVENTS_A_MESSAGE: usize = 50;

/// The messages of `events` events over some days, in the order in which they are received, and when the last one is.
pub(crate) fn messages(events: usize, users: u64, days: u64, ids: Ids) -> Result<(Vec<Outgoing>, Timestamp)> {
    let mut random = Random(42);
    let mut all = Vec::with_capacity(events);
    let mut session = 0;
    while all.len() < events {
        visit(&mut random, session, users, days, ids, &mut all);
        session += 1;
    }
    all.truncate(events);
    all.sort_unstable_by_key(|event| (event.timestamp, event.event_id));
    let mut messages = Vec::with_capacity(events / EVENTS_A_MESSAGE + 1);
    let mut last = Timestamp::default();
    let mut rest = all.into_iter().peekable();
    while rest.peek().is_some() {
        let mut batch: Vec<Event> = rest.by_ref().take(EVENTS_A_MESSAGE).collect();
        batch.iter_mut().zip(0..).for_each(|(event, position)| event.position = position);
        last = Timestamp(
            batch.last().map_or(0, |event| event.timestamp.0) + 300_000 + i64::try_from(random.below(1_000_000))?,
        );
        let envelope = Envelope {
            message_id: EventId(random.bytes()),
            project: ProjectId::parse("default").ok_or_else(|| anyhow::anyhow!("project id"))?,
            write_key_id: "write".to_owned(),
            protocol: "native".to_owned(),
            received_at: last,
            user_agent: None,
            geo: Geo::default(),
            events: batch,
            rejected: Vec::new(),
            replays: Vec::new(),
        };
        messages.push(Outgoing {
            message_id: envelope.message_id,
            project: envelope.project.clone(),
            events: envelope.event_count(),
            body: envelope.encode(Compression::None)?.into(),
        });
    }
    Ok((messages, last))
}

/// One visit: a chain of events with pauses between them.
fn visit(random: &mut Random, session: u64, users: u64, days: u64, ids: Ids, all: &mut Vec<Event>) {
    // A few visitors come often: the n-th of them with a weight of about n to the power of -0.7.
    let user = (users as f64 * random.part().powf(1.0 / 0.3)) as u64;
    let traits = Random(user ^ 0x5eed).next();
    let trait_of = |salt: u64| Random(traits ^ salt);
    let (mut style, key) = (Random(session ^ 0xabcd), Random(user).next());
    let device = *trait_of(1).choose(&DEVICES, 0.5);
    let system = *trait_of(2).choose(if device == "desktop" { &SYSTEMS[2..] } else { &SYSTEMS[..2] }, 0.5);
    let countries: Vec<&str> = COUNTRIES.split_whitespace().collect();
    let (referrer, viewport) = (*style.choose(&REFERRERS, 0.6), *style.choose(&VIEWPORTS, 0.3));
    let campaign = (style.below(10) < 3).then(|| *style.choose(&CAMPAIGNS, 0.4));
    let mut time = OPENS
        + random.below(days) * DAY
        + (DAY as f64 * ((random.part() + random.part() + random.part()) / 3.0)) as u64;
    let stop = 1.0 / (1.3 + 12.0 * random.part());
    let mut name: &str = "page_view";
    loop {
        let item = (1.0 / (1.0 - random.part()).powf(3.0)) as u64 % 20_000;
        let category = CATEGORIES.get((item % 12) as usize).copied().unwrap_or_default();
        let mut properties = format!(
            r#"{{"path":"/{category}/{item}","referrer":"{referrer}","session_id":"s{session}","item_id":{item},"category":"{category}","ab":"exp{}:{}","viewport":"{viewport}","scroll_pct":{},"plan":"{}""#,
            trait_of(6).below(9),
            if trait_of(8).below(2) == 0 { "a" } else { "b" },
            random.below(101),
            trait_of(11).choose(&PLANS, 0.7),
        );
        if PRICED.contains(&name) {
            properties += &format!(r#","price":{:.2}"#, (3.2 + 0.9 * random.normal()).exp());
        }
        if COUNTED.contains(&name) {
            properties += &format!(r#","quantity":{}"#, 1 + random.below(3));
        }
        if matches!(name, "apply_coupon" | "checkout" | "purchase") && random.below(100) < 35 {
            properties += r#","coupon":"SAVE10""#;
        }
        properties.push('}');
        let mut id = random.bytes();
        if ids == Ids::ByTime {
            id.iter_mut().zip((time / 1_000).to_be_bytes().into_iter().skip(2)).for_each(|(place, byte)| *place = byte);
        }
        let version = if ids == Ids::ByTime { 0x70 } else { 0x40 };
        id[6] = id[6] & 0x0f | version;
        id[8] = id[8] & 0x3f | 0x80;
        all.push(Event {
            event_id: EventId(id),
            event: name.to_owned(),
            timestamp: Timestamp(i64::try_from(time).unwrap_or(0)),
            user_id: Some(format!("u{key:016x}")),
            country: Some((*trait_of(12).choose(&countries, 0.3)).to_owned()),
            device_type: Some(device.to_owned()),
            browser: Some((*trait_of(13).choose(&BROWSERS, 0.55)).to_owned()),
            os: Some(system.to_owned()),
            utm_source: campaign.map(str::to_owned),
            properties: Json::parse(&properties),
            ..Event::default()
        });
        if random.part() < stop {
            return;
        }
        time += 1 + (38_000_000.0 * -(1.0 - random.part()).ln()) as u64;
        name = match (name, random.below(100)) {
            ("page_view", 0..45) | ("search", 0..45) => "view_item",
            ("view_item", 0..11) => "add_to_cart",
            ("add_to_cart", 0..25) => "view_cart",
            ("add_to_cart" | "view_cart", 25..55) => "checkout",
            ("checkout", 0..46) => "purchase",
            _ => *random.choose::<&str>(&NAMES, 0.12),
        };
    }
}

/// A small generator that gives the same numbers everywhere (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From 0 up to 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About a standard normal number.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.part()).sum::<f64>() - 6.0
    }

    fn bytes(&mut self) -> [u8; 16] {
        (u128::from(self.next()) << 64 | u128::from(self.next())).to_be_bytes()
    }

    /// The first with that probability, otherwise the second with it, and so on.
    fn choose<'c, T>(&mut self, choices: &'c [T], first: f64) -> &'c T {
        let count = (1.0 - self.part()).ln() / (1.0 - first).ln();
        &choices[count as usize % choices.len()]
    }
}
