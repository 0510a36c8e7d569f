//! Where a visit came from, in one word.
//!
//! The rules follow the common default grouping (paid before unpaid, campaign before referrer), in this order:
//!
//! 1. An event without page, referrer, campaign or click id has no channel.
//! 2. The campaign's medium decides where it is one of a known kind (display, email, affiliate, audio, sms, push).
//! 3. A click id of a network, or a medium such as `cpc`, makes it paid: `paid_` + the kind of its source.
//! 4. A known source or referrer: `organic_` + its kind, or `email`, or `ai_assistant`.
//! 5. A campaign that none of these knows is `other`, or `referral` if its medium says so.
//! 6. Any other host before is `referral`; the site's own host gives no channel, for the visit began earlier.
//! 7. Nothing of all this is `direct`.

use super::Circumstances;
use super::url::plain_host;
use crate::draft::Draft;

/// Mediums that decide alone.
const MEDIUMS: &[(&str, &str)] = &[
    ("display", "display"),
    ("banner", "display"),
    ("expandable", "display"),
    ("interstitial", "display"),
    ("cpm", "display"),
    ("email", "email"),
    ("e-mail", "email"),
    ("e_mail", "email"),
    ("e mail", "email"),
    ("newsletter", "email"),
    ("affiliate", "affiliate"),
    ("affiliates", "affiliate"),
    ("audio", "audio"),
    ("podcast", "audio"),
    ("sms", "sms"),
    ("push", "push"),
    ("notification", "push"),
];

/// Mediums that say that somebody paid.
const PAID_MEDIUMS: &[&str] = &["cpc", "ppc", "cpv", "cpa", "cpp", "retargeting", "remarketing", "paid"];

/// What a click id says: the network's kind, and that somebody paid. Facebook's and Instagram's are on unpaid links too.
const CLICK_IDS: &[(&str, &str)] = &[
    ("gclid", "search"),
    ("gbraid", "search"),
    ("wbraid", "search"),
    ("msclkid", "search"),
    ("yclid", "search"),
    ("dclid", "display"),
    ("ttclid", "social"),
    ("twclid", "social"),
    ("li_fat_id", "social"),
    ("sccid", "social"),
    ("rdt_cid", "social"),
    ("epik", "social"),
];

/// Kinds of sources, by a label of the host (`google` is in `www.google.co.uk` and in `utm_source=google`).
const LABELS: &[(&str, &str)] = &[
    ("google", "search"),
    ("bing", "search"),
    ("duckduckgo", "search"),
    ("yahoo", "search"),
    ("ecosia", "search"),
    ("qwant", "search"),
    ("startpage", "search"),
    ("baidu", "search"),
    ("yandex", "search"),
    ("naver", "search"),
    ("seznam", "search"),
    ("kagi", "search"),
    ("facebook", "social"),
    ("fb", "social"),
    ("instagram", "social"),
    ("ig", "social"),
    ("linkedin", "social"),
    ("lnkd", "social"),
    ("twitter", "social"),
    ("reddit", "social"),
    ("pinterest", "social"),
    ("tiktok", "social"),
    ("snapchat", "social"),
    ("threads", "social"),
    ("bsky", "social"),
    ("mastodon", "social"),
    ("vk", "social"),
    ("quora", "social"),
    ("weibo", "social"),
    ("youtube", "video"),
    ("youtu", "video"),
    ("vimeo", "video"),
    ("twitch", "video"),
    ("dailymotion", "video"),
    ("amazon", "shopping"),
    ("ebay", "shopping"),
    ("etsy", "shopping"),
    ("chatgpt", "ai_assistant"),
    ("perplexity", "ai_assistant"),
    ("claude", "ai_assistant"),
];

/// Kinds of sources, by whole host: where a label would say something else, or nothing.
const HOSTS: &[(&str, &str)] = &[
    ("mail.google.com", "email"),
    ("com.google.android.gm", "email"),
    ("mail.yahoo.com", "email"),
    ("outlook.live.com", "email"),
    ("gemini.google.com", "ai_assistant"),
    ("copilot.microsoft.com", "ai_assistant"),
    ("chat.openai.com", "ai_assistant"),
    ("t.co", "social"),
    ("x.com", "social"),
    ("news.ycombinator.com", "social"),
    ("search.brave.com", "search"),
];

/// Fills `channel`.
pub(super) fn enrich(draft: &mut Draft<'_>, _: &mut Circumstances<'_>) {
    let event = &draft.event;
    let lower = |text: &Option<String>| text.as_deref().map(|text| text.trim().to_ascii_lowercase());
    let visit = Visit {
        page: event.host.as_deref().map(plain_host),
        has_page: event.url.is_some() || event.path.is_some(),
        referrer: event.referrer_host.as_deref().map(plain_host),
        source: lower(&event.utm_source),
        medium: lower(&event.utm_medium),
        campaign: event.utm_campaign.is_some(),
        click_id: event.click_id_type.as_deref(),
    };
    draft.event.channel = channel(&visit);
}

struct Visit<'a> {
    page: Option<String>,
    has_page: bool,
    referrer: Option<String>,
    source: Option<String>,
    medium: Option<String>,
    campaign: bool,
    click_id: Option<&'a str>,
}

fn channel(visit: &Visit<'_>) -> Option<String> {
    let tagged = visit.source.is_some() || visit.medium.is_some() || visit.campaign;
    if !visit.has_page && visit.referrer.is_none() && !tagged && visit.click_id.is_none() {
        return None;
    }
    let medium = visit.medium.as_deref().unwrap_or_default();
    let source_kind = visit.source.as_deref().and_then(kind_of);
    let known = source_kind.or_else(|| visit.referrer.as_deref().filter(|_| !visit.is_internal()).and_then(kind_of));
    if let Some((_, channel)) = MEDIUMS.iter().find(|(name, _)| *name == medium) {
        return Some((*channel).to_owned());
    }
    let paid_click =
        visit.click_id.and_then(|id| CLICK_IDS.iter().find(|(name, _)| *name == id)).map(|(_, kind)| *kind);
    let paid_medium = PAID_MEDIUMS.contains(&medium) || medium.starts_with("paid");
    if paid_medium || paid_click.is_some() {
        return Some(match known.or(paid_click) {
            Some("display") => "display".to_owned(),
            Some(kind @ ("search" | "social" | "video" | "shopping")) => format!("paid_{kind}"),
            _ => "paid_other".to_owned(),
        });
    }
    match known {
        Some(kind @ ("email" | "ai_assistant")) => return Some(kind.to_owned()),
        Some(kind) => return Some(format!("organic_{kind}")),
        None => {}
    }
    let word = match medium {
        "organic" => "organic_search",
        "social" | "social-network" | "social-media" | "sm" => "organic_social",
        "video" => "organic_video",
        "referral" | "app" | "link" => "referral",
        _ if tagged => "other",
        _ if visit.click_id.is_some_and(|id| matches!(id, "fbclid" | "igshid")) => "organic_social",
        _ if visit.is_internal() => return None,
        _ if visit.referrer.is_some() => "referral",
        _ => "direct",
    };
    Some(word.to_owned())
}

impl Visit<'_> {
    fn is_internal(&self) -> bool {
        self.page.is_some() && self.page == self.referrer
    }
}

/// The kind of a source, which is a host or a name.
fn kind_of(source: &str) -> Option<&'static str> {
    if let Some((_, kind)) = HOSTS.iter().find(|(host, _)| *host == source) {
        return Some(kind);
    }
    if matches!(source, "email" | "e-mail" | "newsletter") {
        return Some("email");
    }
    source.split('.').find_map(|label| LABELS.iter().find(|(name, _)| *name == label)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns: page, referrer host, source, medium, click id, channel.
    fn check(case: [&str; 6]) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let [page, referrer, source, medium, click_id, expect] = case;
        let visit = Visit {
            page: some(page),
            has_page: !page.is_empty(),
            referrer: some(referrer),
            source: some(source),
            medium: some(medium),
            campaign: false,
            click_id: (!click_id.is_empty()).then_some(click_id),
        };
        assert_eq!(channel(&visit).unwrap_or_default(), expect, "{case:?}");
    }

    #[test]
    fn each_visit_has_the_channel_that_the_rules_give_it() {
        for case in [
            ["", "", "", "", "", ""],
            ["shop.example", "", "", "", "", "direct"],
            ["shop.example", "shop.example", "", "", "", ""],
            ["shop.example", "google.co.uk", "", "", "", "organic_search"],
            ["shop.example", "google.com", "", "", "gclid", "paid_search"],
            ["shop.example", "", "google", "cpc", "", "paid_search"],
            ["shop.example", "", "facebook", "paid_social", "", "paid_social"],
            ["shop.example", "facebook.com", "", "", "fbclid", "organic_social"],
            ["shop.example", "", "", "", "fbclid", "organic_social"],
            ["shop.example", "t.co", "", "", "", "organic_social"],
            ["shop.example", "mail.google.com", "", "", "", "email"],
            ["shop.example", "", "spring", "email", "", "email"],
            ["shop.example", "", "partner", "affiliate", "", "affiliate"],
            ["shop.example", "", "acme", "banner", "", "display"],
            ["shop.example", "", "acme", "", "", "other"],
            ["shop.example", "", "acme", "referral", "", "referral"],
            ["shop.example", "blog.example", "", "", "", "referral"],
            ["shop.example", "youtube.com", "", "", "", "organic_video"],
            ["shop.example", "chatgpt.com", "", "", "", "ai_assistant"],
            ["shop.example", "gemini.google.com", "", "", "", "ai_assistant"],
            ["shop.example", "", "acme", "cpc", "", "paid_other"],
        ] {
            check(case);
        }
    }
}
