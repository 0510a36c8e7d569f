//! Browser, operating system and kind of device, from the user agent, by a small table.
//!
//! A full database of user agents would double the edge build; these rules name the browsers that matter and leave the
//! rest empty.

use super::{Circumstances, bot};
use crate::draft::Draft;

/// Marks of browsers and how they are called. The first that is found wins: most browsers claim to be others as well.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPiOS/", "Opera"),
    ("Opera/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("Vivaldi/", "Vivaldi"),
    ("UCBrowser/", "UC Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Brave/", "Brave"),
    ("MiuiBrowser/", "Miui Browser"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("Whale/", "Whale"),
    ("FBAV/", "Facebook"),
    ("Instagram ", "Instagram"),
    ("Focus/", "Firefox Focus"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Chromium/", "Chrome"),
    ("Trident/", "Internet Explorer"),
    ("MSIE ", "Internet Explorer"),
];

/// Marks of operating systems, how they are called, and the mark before their version.
const SYSTEMS: &[(&str, &str, &str)] = &[
    ("Windows Phone", "Windows Phone", "Windows Phone "),
    ("Windows NT", "Windows", "Windows NT "),
    ("Windows", "Windows", "Windows "),
    ("iPhone", "iOS", "iPhone OS "),
    ("iPad", "iPadOS", "CPU OS "),
    ("iPod", "iOS", "iPhone OS "),
    ("Apple TV", "tvOS", "CPU OS "),
    ("AppleTV", "tvOS", "tvOS/"),
    ("PlayStation", "PlayStation", "PlayStation "),
    ("Nintendo", "Nintendo", "Nintendo "),
    ("Tizen", "Tizen", "Tizen "),
    ("Web0S", "webOS", "Web0S/"),
    ("Android", "Android", "Android "),
    ("CrOS", "Chrome OS", "CrOS x86_64 "),
    ("Mac OS X", "macOS", "Mac OS X "),
    ("Macintosh", "macOS", "Mac OS X "),
    ("Linux", "Linux", ""),
    ("X11", "Linux", ""),
];

/// Marks of kinds of devices; the first that is found wins.
const KINDS: &[(&str, &str)] = &[
    ("PlayStation", "console"),
    ("Xbox", "console"),
    ("Nintendo", "console"),
    ("SmartTV", "tv"),
    ("SMART-TV", "tv"),
    ("AppleTV", "tv"),
    ("Apple TV", "tv"),
    ("GoogleTV", "tv"),
    ("Android TV", "tv"),
    ("BRAVIA", "tv"),
    ("Web0S", "tv"),
    ("AFTT", "tv"),
    ("iPad", "tablet"),
    ("Tablet", "tablet"),
    ("Kindle", "tablet"),
    ("Mobi", "mobile"),
    ("iPhone", "mobile"),
    ("iPod", "mobile"),
    ("Android", "tablet"),
    ("Windows", "desktop"),
    ("Macintosh", "desktop"),
    ("X11", "desktop"),
    ("CrOS", "desktop"),
];

/// What a user agent says. Names are empty where it says nothing that we know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Device {
    browser: Option<&'static str>,
    browser_version: Option<String>,
    os: Option<&'static str>,
    os_version: Option<String>,
    kind: Option<&'static str>,
}

/// The user agent read last: the events of a request nearly always share theirs.
#[derive(Debug, Default)]
pub(super) struct Last {
    user_agent: String,
    device: Device,
    pub(super) bot_reason: Option<&'static str>,
}

/// Fills what the event does not say itself.
pub(super) fn enrich(draft: &mut Draft<'_>, circumstances: &mut Circumstances<'_>) {
    let user_agent = circumstances.visitor_user_agent(draft).unwrap_or_default();
    if user_agent != circumstances.devices.user_agent {
        circumstances.devices =
            Last { user_agent: user_agent.to_owned(), device: parse(user_agent), bot_reason: bot::reason(user_agent) };
    }
    let device = &circumstances.devices.device;
    let event = &mut draft.event;
    if event.os.is_none() {
        event.os = device.os.map(str::to_owned);
        event.os_version.clone_from(&device.os_version);
    }
    event.browser = device.browser.map(str::to_owned);
    event.browser_version.clone_from(&device.browser_version);
    if event.device_type.is_none() {
        event.device_type = device.kind.map(str::to_owned);
    }
}

fn parse(user_agent: &str) -> Device {
    if !user_agent.starts_with("Mozilla/") && !user_agent.starts_with("Opera/") {
        return Device::default();
    }
    let (browser, browser_version) = browser(user_agent);
    let system = SYSTEMS.iter().find(|(mark, _, _)| user_agent.contains(mark));
    let os_version = system.and_then(|(_, _, before)| version_after(user_agent, before));
    let kind = KINDS.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, kind)| *kind);
    Device { browser, browser_version, os: system.map(|(_, name, _)| *name), os_version, kind }
}

fn browser(user_agent: &str) -> (Option<&'static str>, Option<String>) {
    if let Some((mark, name)) = BROWSERS.iter().find(|(mark, _)| user_agent.contains(mark)) {
        let mark = if *mark == "Trident/" { "rv:" } else { mark };
        return (Some(name), version_after(user_agent, mark));
    }
    if user_agent.contains("Safari/") && user_agent.contains("Version/") {
        return (Some("Safari"), version_after(user_agent, "Version/"));
    }
    (None, None)
}

/// The version that follows a mark, with points: at most its first three numbers.
fn version_after(user_agent: &str, mark: &str) -> Option<String> {
    if mark.is_empty() {
        return None;
    }
    let (_, rest) = user_agent.split_once(mark)?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(rest.len());
    let version: Vec<&str> = rest.get(..end)?.split(['.', '_']).filter(|part| !part.is_empty()).take(3).collect();
    (!version.is_empty()).then(|| version.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(user_agent: &str, expect: [Option<&str>; 5]) {
        let device = parse(user_agent);
        let found =
            [device.browser, device.browser_version.as_deref(), device.os, device.os_version.as_deref(), device.kind];
        assert_eq!(found, expect, "{user_agent}");
    }

    #[test]
    fn common_browsers_are_recognised() {
        check(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.7727.56 Safari/537.36 Edg/147.0.3210.1",
            [Some("Edge"), Some("147.0.3210"), Some("Windows"), Some("10.0"), Some("desktop")],
        );
        check(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            [Some("Safari"), Some("18.1"), Some("iOS"), Some("18.1"), Some("mobile")],
        );
        check(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36",
            [Some("Chrome"), Some("147.0.0"), Some("macOS"), Some("10.15.7"), Some("desktop")],
        );
        check(
            "Mozilla/5.0 (Linux; Android 14; SM-X910) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Safari/537.36",
            [Some("Samsung Internet"), Some("26.0"), Some("Android"), Some("14"), Some("tablet")],
        );
        check(
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0",
            [Some("Firefox"), Some("135.0"), Some("Linux"), None, Some("desktop")],
        );
        check(
            "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
            [Some("Internet Explorer"), Some("11.0"), Some("Windows"), Some("6.1"), Some("desktop")],
        );
    }

    #[test]
    fn libraries_are_no_browsers() {
        for user_agent in ["", "analytics-python/2.4.0", "curl/8.5.0", "okhttp/4.12 Android"] {
            check(user_agent, [None; 5]);
        }
    }
}
