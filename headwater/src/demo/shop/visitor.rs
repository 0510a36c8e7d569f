//! One visitor of the shop: where from, with what, how often, and when it becomes known.

use super::catalog::{BROWSERS, PLACES, PLANS, Place, pick};

/// A visitor, the same for the same seed and number.
#[derive(Clone)]
pub struct Visitor {
    /// The number, from 0.
    pub number: u32,
    /// The id of the browser.
    pub anonymous_id: String,
    /// The id after the sign-up.
    pub user_id: String,
    /// The day of the first visit, from 0; may lie after the last day.
    pub first_day: u32,
    /// The first day on which a visit may end in a sign-up; none for visitors who stay anonymous.
    pub sign_up_day: Option<u32>,
    /// Whether the shop knew them as a lead before.
    pub is_lead: bool,
    /// The plan they take.
    pub plan: &'static str,
    pub(super) place: &'static Place,
    pub(super) browser: &'static str,
    /// A phone, for those who come from two devices.
    pub(super) second_browser: Option<&'static str>,
    /// Visits on a usual day, in hundredths.
    pub(super) activity: u32,
}

impl Visitor {
    pub(super) fn new(seed: u64, number: u32, days: u32) -> Self {
        let mut random = fastrand::Rng::with_seed(mix(seed, u64::from(number), 0));
        // Half are there from the first day on, the others come over time.
        let first_day = if random.bool() { 0 } else { random.u32(..days.max(1)) };
        let signs_up = random.u32(..100) < 62;
        let sign_up_day = signs_up.then(|| first_day + random.u32(..days.div_ceil(4).max(1)));
        let browsers = |share: &(u32, &'static str)| share.0;
        let mobile = BROWSERS.iter().find(|(_, agent)| agent.contains("iPhone")).map(|(_, agent)| *agent);
        Self {
            number,
            anonymous_id: uuid(&mut random),
            user_id: format!("customer-{}", 10_000 + number),
            first_day,
            sign_up_day,
            is_lead: random.u32(..100) < 12,
            plan: pick(&mut random, PLANS, |plan| plan.0).map_or("free", |plan| plan.1),
            place: pick(&mut random, &PLACES, |place| place.share).unwrap_or(&PLACES[0]),
            browser: pick(&mut random, BROWSERS, browsers).map_or("", |browser| browser.1),
            second_browser: mobile.filter(|_| random.u32(..100) < 25),
            activity: 20 + random.u32(..80),
        }
    }

    /// The id that the shop's sales people knew them by.
    #[must_use]
    pub fn lead_id(&self) -> String {
        format!("lead-{}", 500 + self.number)
    }

    /// The id of the second device's browser.
    pub(super) fn second_anonymous_id(&self) -> String {
        format!("m-{}", self.anonymous_id)
    }
}

/// One seed out of several numbers (the finaliser of SplitMix64 over their sum).
pub(super) fn mix(seed: u64, one: u64, two: u64) -> u64 {
    let mut value = seed
        .wrapping_add(one.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(two.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A version 4 UUID.
pub(super) fn uuid(random: &mut fastrand::Rng) -> String {
    let bits = (random.u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
