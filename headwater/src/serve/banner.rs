//! What a person sees when the server has started: what it is, and what to do next.

use super::Server;
use crate::cli::output::{Style, tell};

/// Tells it on stderr. The keys are shown once, because only their hashes are kept; keys that the environment gave
/// are known to whoever set them and are not shown at all.
pub(crate) fn show(server: &Server) {
    let style = Style::stderr();
    let url = server.url();
    let mut text = format!(
        "\n{} listens on {url}\n  data    {}\n",
        style.bold(concat!("headwater ", env!("CARGO_PKG_VERSION"))),
        server.data_dir().display()
    );
    if let Some(keys) = server.new_keys() {
        if keys.write_is_random || keys.api_is_random {
            text.push_str(&format!(
                "\n{} Only their hashes are kept, in projects.json. Write them down:\n",
                style.bold("Keys, shown this once.")
            ));
        }
        let random = [
            ("HEADWATER_WRITE_KEY", &keys.write, keys.write_is_random),
            ("HEADWATER_API_KEY", &keys.api, keys.api_is_random),
        ];
        for (variable, key, _) in random.into_iter().filter(|(_, _, is_random)| *is_random) {
            text.push_str(&format!("  export {variable}={key}\n"));
        }
        text.push_str(&first_steps(&url, style));
    }
    if !server.address().ip().is_loopback() {
        text.push_str("\nOther machines can reach it, without TLS: put a proxy with TLS in front of it.\n");
    }
    tell(&text);
}

fn first_steps(url: &str, style: Style) -> String {
    format!(
        "\n{}\n\
         \x20 curl {url}/api/v1/events -H \"Authorization: Bearer $HEADWATER_WRITE_KEY\" \\\n\
         \x20   -d '{{\"event\": \"Signed Up\", \"user_id\": \"ada\"}}'\n\
         \x20 headwater events tail --url {url}\n\
         \x20 a web page: <script defer src=\"{url}/hw.js\" data-key=\"your write key\"></script>\n\
         \x20 your Segment SDK: host {url} and the write key\n",
        style.bold("Send an event, and see it:"),
    )
}
