//! Senders that are machines: marked with a reason, never dropped.

use super::Circumstances;
use crate::draft::Draft;

/// Words of user agents, in lower case, and what they say. The first that is found wins. Libraries of servers
/// (`python-requests`, `analytics-node`) are not in it: an event that a server sends about a user is not a bot's.
const WORDS: &[(&str, &str)] = &[
    ("headless", "headless_browser"),
    ("phantomjs", "headless_browser"),
    ("puppeteer", "headless_browser"),
    ("playwright", "headless_browser"),
    ("selenium", "headless_browser"),
    ("lighthouse", "monitoring"),
    ("pagespeed", "monitoring"),
    ("gtmetrix", "monitoring"),
    ("pingdom", "monitoring"),
    ("uptime", "monitoring"),
    ("statuscake", "monitoring"),
    ("datadogsynthetics", "monitoring"),
    ("newrelicsynthetics", "monitoring"),
    ("facebookexternalhit", "link_preview"),
    ("whatsapp/", "link_preview"),
    ("skypeuripreview", "link_preview"),
    ("slack-imgproxy", "link_preview"),
    ("embedly", "link_preview"),
    ("gptbot", "ai_crawler"),
    ("oai-searchbot", "ai_crawler"),
    ("chatgpt-user", "ai_crawler"),
    ("claudebot", "ai_crawler"),
    ("claude-user", "ai_crawler"),
    ("perplexitybot", "ai_crawler"),
    ("bytespider", "ai_crawler"),
    ("ccbot", "ai_crawler"),
    ("cubot", ""),
    ("bot/", "crawler"),
    ("bot;", "crawler"),
    ("bot)", "crawler"),
    ("bot ", "crawler"),
    ("bot-", "crawler"),
    ("-bot", "crawler"),
    ("robot", "crawler"),
    ("crawl", "crawler"),
    ("spider", "crawler"),
    ("slurp", "crawler"),
    ("archiver", "crawler"),
    ("scrapy", "crawler"),
    ("mediapartners-google", "crawler"),
    ("feedfetcher", "crawler"),
    ("google-read-aloud", "crawler"),
];

/// Fills `is_bot` and `bot_reason`.
pub(super) fn enrich(draft: &mut Draft<'_>, circumstances: &mut Circumstances<'_>) {
    if let Some(reason) = circumstances.devices.bot_reason {
        draft.event.is_bot = true;
        draft.event.bot_reason = Some(reason.to_owned());
    }
}

/// Why a user agent is a machine's. `Cubot` makes telephones.
pub(super) fn reason(user_agent: &str) -> Option<&'static str> {
    let lower = user_agent.to_ascii_lowercase();
    let (_, reason) = WORDS.iter().find(|(word, _)| lower.contains(word) || ends_with_bot(&lower, word))?;
    (!reason.is_empty()).then_some(*reason)
}

/// `Somebot` at the very end, which the words with a separator miss.
fn ends_with_bot(lower: &str, word: &str) -> bool {
    word == "bot/" && lower.ends_with("bot")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_named_with_their_reason() {
        for (user_agent, expect) in [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Some("crawler")),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/147.0.0.0 Safari/537.36",
                Some("headless_browser"),
            ),
            ("facebookexternalhit/1.1", Some("link_preview")),
            ("Mozilla/5.0 AppleWebKit/537.36; compatible; GPTBot/1.2", Some("ai_crawler")),
            ("Examplebot", Some("crawler")),
            (
                "Mozilla/5.0 (Linux; Android 12; CUBOT X50) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36",
                None,
            ),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/147.0.0.0 Safari/537.36", None),
            ("analytics-python/2.4.0", None),
            ("python-requests/2.32", None),
        ] {
            assert_eq!(reason(user_agent), expect, "{user_agent}");
        }
    }
}
