//! What the shop sells, where its visitors live, and how they find it.

/// A product.
pub(super) struct Product {
    pub(super) sku: &'static str,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    /// In cents.
    pub(super) price: u32,
}

const fn product(sku: &'static str, name: &'static str, category: &'static str, price: u32) -> Product {
    Product { sku, name, category, price }
}

/// Everything that is sold.
pub(super) const PRODUCTS: &[Product] = &[
    product("tent-2", "Trail Tent for Two", "camping", 21_900),
    product("tent-4", "Family Tent", "camping", 38_900),
    product("bag-0c", "Sleeping Bag 0 °C", "camping", 12_900),
    product("mat-air", "Air Mattress", "camping", 5_950),
    product("stove-1", "Gas Stove", "camping", 4_490),
    product("lamp-led", "Headlamp", "camping", 3_290),
    product("boot-mid", "Hiking Boots", "shoes", 15_900),
    product("boot-alp", "Alpine Boots", "shoes", 24_900),
    product("run-light", "Trail Runners", "shoes", 11_900),
    product("sock-3", "Merino Socks, 3 Pairs", "clothes", 3_600),
    product("jack-rain", "Rain Jacket", "clothes", 13_900),
    product("jack-down", "Down Jacket", "clothes", 22_900),
    product("pant-zip", "Zip-off Trousers", "clothes", 8_990),
    product("shirt-uv", "UV Shirt", "clothes", 4_990),
    product("hat-sun", "Sun Hat", "clothes", 2_490),
    product("pack-25", "Day Pack 25 l", "packs", 8_900),
    product("pack-50", "Trekking Pack 50 l", "packs", 17_900),
    product("pack-kid", "Children's Pack", "packs", 4_900),
    product("rope-60", "Climbing Rope 60 m", "climbing", 14_900),
    product("harness", "Climbing Harness", "climbing", 6_990),
    product("helmet", "Climbing Helmet", "climbing", 5_990),
    product("chalk", "Chalk Bag", "climbing", 1_990),
    product("bottle", "Steel Bottle", "kitchen", 2_790),
    product("pot-set", "Pot Set", "kitchen", 4_790),
];

/// A place where visitors live: share, country, region, city, time zone, hours east of UTC, language, currency.
pub(super) struct Place {
    pub(super) share: u32,
    pub(super) country: &'static str,
    pub(super) region: &'static str,
    pub(super) city: &'static str,
    pub(super) timezone: &'static str,
    pub(super) utc_offset_hours: i64,
    pub(super) locale: &'static str,
    pub(super) currency: &'static str,
}

/// The places, by share.
#[rustfmt::skip]
pub(super) static PLACES: [Place; 8] = [
    Place { share: 28, country: "US", region: "CO", city: "Denver", timezone: "America/Denver", utc_offset_hours: -7, locale: "en-US", currency: "USD" },
    Place { share: 22, country: "DE", region: "BY", city: "Munich", timezone: "Europe/Berlin", utc_offset_hours: 1, locale: "de-DE", currency: "EUR" },
    Place { share: 14, country: "GB", region: "ENG", city: "Leeds", timezone: "Europe/London", utc_offset_hours: 0, locale: "en-GB", currency: "GBP" },
    Place { share: 11, country: "FR", region: "ARA", city: "Grenoble", timezone: "Europe/Paris", utc_offset_hours: 1, locale: "fr-FR", currency: "EUR" },
    Place { share: 8, country: "CH", region: "BE", city: "Bern", timezone: "Europe/Zurich", utc_offset_hours: 1, locale: "de-CH", currency: "CHF" },
    Place { share: 7, country: "NL", region: "UT", city: "Utrecht", timezone: "Europe/Amsterdam", utc_offset_hours: 1, locale: "nl-NL", currency: "EUR" },
    Place { share: 6, country: "JP", region: "20", city: "Nagano", timezone: "Asia/Tokyo", utc_offset_hours: 9, locale: "ja-JP", currency: "JPY" },
    Place { share: 4, country: "BR", region: "RJ", city: "Petrópolis", timezone: "America/Sao_Paulo", utc_offset_hours: -3, locale: "pt-BR", currency: "BRL" },
];

/// What visitors browse with, by share.
pub(super) const BROWSERS: &[(u32, &str)] = &[
    (
        34,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    ),
    (
        14,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
    ),
    (
        25,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
    ),
    (
        20,
        "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    ),
    (7, "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
];

/// How visits begin, by share: the query of the first address, and the page before.
pub(super) const SOURCES: [(u32, &str, &str); 6] = [
    (34, "", ""),
    (26, "", "https://www.google.com/"),
    (12, "?utm_source=google&utm_medium=cpc&utm_campaign=autumn_sale&gclid=Cj0KCQiA", "https://www.google.com/"),
    (11, "?utm_source=newsletter&utm_medium=email&utm_campaign=november", ""),
    (8, "?utm_source=instagram&utm_medium=paid_social&utm_campaign=autumn_sale", "https://l.instagram.com/"),
    (9, "", "https://hiking-diary.example/best-tents"),
];

/// The plans of the shop's club, by share.
pub(super) const PLANS: &[(u32, &str)] = &[(70, "free"), (22, "plus"), (8, "premium")];

/// What is searched for.
pub(super) const SEARCHES: &[&str] = &["tent", "rain jacket", "boots", "light pack", "gift", "stove", "sleeping bag"];

/// One of a list, by share.
pub(super) fn pick<'a, T>(random: &mut fastrand::Rng, list: &'a [T], share: impl Fn(&T) -> u32) -> Option<&'a T> {
    let total: u32 = list.iter().map(&share).sum();
    let mut place = random.u32(..total.max(1));
    for item in list {
        let share = share(item);
        if place < share {
            return Some(item);
        }
        place -= share;
    }
    list.last()
}
