//! A visitor's visits on one day, as the events that a browser and the shop's server would send.

use event_model::Timestamp;
use serde_json::{Map, Value, json};

use super::DAY;
use super::catalog::{PRODUCTS, Product, SEARCHES, SOURCES, pick};
use super::visitor::{Visitor, mix, uuid};

const SECOND: i64 = 1_000_000;
const SHOP: &str = "https://shop.example";

/// Adds the visits of one visitor on one day that starts at `midnight` (UTC).
pub(super) fn visits(seed: u64, visitor: &Visitor, day: u32, midnight: Timestamp, into: &mut Vec<(Timestamp, Value)>) {
    if day < visitor.first_day {
        return;
    }
    let mut random = fastrand::Rng::with_seed(mix(seed, u64::from(visitor.number), u64::from(day) + 1));
    // 1970-01-01 was a Thursday: days 2 and 3 of that count's week are Saturday and Sunday.
    let weekend = matches!(midnight.days().rem_euclid(7), 2 | 3);
    let chance = if weekend { visitor.activity * 5 / 4 } else { visitor.activity };
    let signs_up = visitor.sign_up_day == Some(day);
    if !signs_up && day != visitor.first_day && random.u32(..100) >= chance {
        return;
    }
    let is_known = visitor.sign_up_day.is_some_and(|sign_up| sign_up < day);
    let on_phone = is_known && visitor.second_browser.is_some() && random.u32(..100) < 40;
    let start = midnight.0 + visiting_hour(&mut random, visitor) + random.i64(0..3_600) * SECOND;
    let mut visit = Visit {
        visitor,
        anonymous_id: if on_phone { visitor.second_anonymous_id() } else { visitor.anonymous_id.clone() },
        browser: visitor.second_browser.filter(|_| on_phone).unwrap_or(visitor.browser),
        session_id: uuid(&mut random),
        is_known,
        now: Timestamp(start),
        address: String::new(),
        random,
        into,
    };
    visit.run(signs_up, on_phone);
}

/// A time of day at which people shop, in microseconds after midnight UTC.
fn visiting_hour(random: &mut fastrand::Rng, visitor: &Visitor) -> i64 {
    let local = *random.choice(&[8, 9, 11, 12, 12, 13, 16, 17, 18, 19, 19, 20, 20, 20, 21, 21, 22]).unwrap_or(&20);
    (local - visitor.place.utc_offset_hours).rem_euclid(24) * DAY / 24
}

struct Visit<'a> {
    visitor: &'a Visitor,
    anonymous_id: String,
    browser: &'static str,
    session_id: String,
    is_known: bool,
    now: Timestamp,
    address: String,
    random: fastrand::Rng,
    into: &'a mut Vec<(Timestamp, Value)>,
}

impl Visit<'_> {
    fn run(&mut self, signs_up: bool, on_phone: bool) {
        let (_, query, referrer) = *pick(&mut self.random, &SOURCES, |source| source.0).unwrap_or(&SOURCES[0]);
        self.page(&format!("/{query}"), "Everything for outside", referrer);
        if on_phone {
            // Signing in on a second device is what ties it to the person.
            self.identify();
        }
        if signs_up {
            self.sign_up();
        }
        if self.chance(25) {
            let term = *self.random.choice(SEARCHES).unwrap_or(&"tent");
            let results = self.random.u32(..40);
            self.track("search", json!({ "query": term, "results": results }));
        }
        let mut cart: Vec<(&Product, u32)> = Vec::new();
        for _ in 0..=self.random.u32(..4) {
            let Some(product) = self.random.choice(PRODUCTS) else { return };
            self.page(&format!("/{}/{}", product.category, product.sku), product.name, "");
            let quantity = 1 + u32::from(self.chance(15));
            self.track("view_item", item(product, 1, self.visitor.place.currency));
            if self.chance(28) {
                self.track("add_to_cart", item(product, quantity, self.visitor.place.currency));
                cart.push((product, quantity));
            }
        }
        if !cart.is_empty() && self.chance(62) {
            self.check_out(&cart);
        }
    }

    fn sign_up(&mut self) {
        self.page("/club/join", "Join the club", "");
        self.is_known = true;
        self.identify();
        if self.visitor.is_lead {
            let event = json!({ "type": "alias", "previous_id": self.visitor.lead_id() });
            self.send(event);
        }
        self.track(
            "sign_up",
            json!({ "plan": self.visitor.plan, "method": "email", "newsletter": self.visitor.number.is_multiple_of(3) }),
        );
    }

    fn identify(&mut self) {
        let place = self.visitor.place;
        let traits = json!({
            "plan": self.visitor.plan, "country": place.country, "city": place.city, "language": place.locale,
            "email": format!("{}@customers.example", self.visitor.user_id),
            "name": format!("Customer {}", self.visitor.number),
            "newsletter": self.visitor.number.is_multiple_of(3),
        });
        self.send(json!({ "type": "identify", "traits": traits }));
    }

    fn check_out(&mut self, cart: &[(&Product, u32)]) {
        let cents: u32 = cart.iter().map(|(product, quantity)| product.price * quantity).sum();
        let currency = self.visitor.place.currency;
        let items: u32 = cart.iter().map(|(_, quantity)| quantity).sum();
        self.page("/checkout", "Checkout", "");
        self.track("begin_checkout", json!({ "value": money(cents), "currency": currency, "items": items }));
        if self.chance(68) {
            let order = format!("order-{:08x}", self.random.u32(..));
            let coupon = self.chance(20).then_some("AUTUMN10");
            let skus: Vec<&str> = cart.iter().map(|(product, _)| product.sku).collect();
            let properties = json!({
                "order_id": order, "revenue": money(cents), "currency": currency, "items": items, "coupon": coupon,
                "payment": if self.visitor.number.is_multiple_of(2) { "card" } else { "invoice" }, "products": skus,
            });
            self.track("purchase", properties);
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.u32(..100) < percent
    }

    fn page(&mut self, path: &str, title: &str, referrer: &str) {
        let before = std::mem::replace(&mut self.address, format!("{SHOP}{path}"));
        let referrer = if referrer.is_empty() { before } else { referrer.to_owned() };
        self.send(json!({ "type": "page", "properties": { "title": title, "referrer": referrer } }));
    }

    fn track(&mut self, name: &str, properties: Value) {
        self.send(json!({ "type": "track", "event": name, "properties": properties }));
    }

    /// Completes an event with what all have, and moves the clock on.
    fn send(&mut self, event: Value) {
        let Value::Object(mut event) = event else { return };
        let place = self.visitor.place;
        let title = event.get("properties").and_then(|properties| properties.get("title")).cloned();
        let referrer = event.get("properties").and_then(|properties| properties.get("referrer")).cloned();
        let page = without_empty(json!({ "url": self.address, "title": title, "referrer": referrer }));
        event.insert("event_id".to_owned(), uuid(&mut self.random).into());
        event.insert("timestamp".to_owned(), self.now.to_string().into());
        event.insert("anonymous_id".to_owned(), self.anonymous_id.clone().into());
        if self.is_known {
            event.insert("user_id".to_owned(), self.visitor.user_id.clone().into());
        }
        event.insert("session_id".to_owned(), self.session_id.clone().into());
        let context = json!({
            "library": { "name": "shop-js", "version": "2.4.1" },
            "userAgent": self.browser, "locale": place.locale, "timezone": place.timezone,
            "location": { "country": place.country, "region": place.region, "city": place.city },
            "page": page,
        });
        event.insert("context".to_owned(), context);
        if event.get("type").is_some_and(|kind| kind == "page") {
            // What a page is lies in its context; saying it twice would only cost bytes.
            event.remove("properties");
        }
        self.into.push((self.now, Value::Object(event)));
        self.now = Timestamp(self.now.0 + (2 + self.random.i64(0..55)) * SECOND + self.random.i64(0..1_000) * 1_000);
    }
}

fn item(product: &Product, quantity: u32, currency: &str) -> Value {
    json!({
        "sku": product.sku, "name": product.name, "category": product.category,
        "price": money(product.price), "currency": currency, "quantity": quantity,
    })
}

fn money(cents: u32) -> Value {
    json!(f64::from(cents) / 100.0)
}

fn without_empty(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let is_kept = |value: &Value| !value.is_null() && value.as_str() != Some("");
    Value::Object(fields.into_iter().filter(|(_, value)| is_kept(value)).collect::<Map<_, _>>())
}
