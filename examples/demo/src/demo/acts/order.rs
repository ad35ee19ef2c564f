//! The act with one call made by hand: it is counted once.

use std::path::Path;

use anyhow::bail;

use super::{Acts, LIVE};
use crate::shop::{FRONT_PATH, FRONT_SCOPE};

/// The counted tracer's module once more under this name, with another scope: what the load generator is compared with
/// stays as it is.
const FRONT: &str = "front";

impl Acts<'_> {
    /// Places an order as anybody can, and shows that it is counted exactly once.
    pub(super) fn order_by_hand(&mut self, module: &Path) -> anyhow::Result<()> {
        if self.interrupt.requested() {
            return Ok(());
        }
        self.screen.event(format_args!(
            "\nthe first module is dropped in again as {FRONT}.wasm: its manifest says that it sees the front alone"
        ));
        self.manifest(FRONT, FRONT_SCOPE)?;
        self.place(module, FRONT, "")?;
        let before = counted(&self.shop.metrics()?);
        let answer = self.shop.place_order()?;
        let (after, _) = self.shop.wait(LIVE, "count the call", |shop| {
            let now = counted(&shop.metrics()?);
            Ok((now > before).then_some(now))
        })?;
        let command = format!("curl -s -X POST http://{}{FRONT_PATH}", self.shop.front());
        self.screen.event(format_args!("$ {command}\n    {}", answer.trim_end()));
        self.screen.event(format_args!("calls of POST {FRONT_PATH} in GET /metrics: {before} before, {after} after"));
        if after != before + 1 {
            bail!("one call was made by hand, and {} were counted", after - before);
        }
        self.screen.event("make a call yourself while the shop runs: the same command");
        Ok(())
    }
}

/// How many calls of the front the tracer has counted, whatever became of them.
fn counted(exposition: &str) -> u64 {
    let own = exposition.lines().filter(|line| {
        line.starts_with("http_server_request_duration_seconds_count{")
            && line.contains(&format!("tracer=\"{FRONT}\""))
            && line.contains(&format!("http_route=\"{FRONT_PATH}\""))
    });
    own.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fronts_calls_are_counted_by_their_own_tracer() {
        let series = "http_server_request_duration_seconds_count{tracer=\"front\",http_request_method=\"POST\"";
        let page = format!(
            "{series},http_route=\"/place\",http_response_status_code=\"200\"}} 2\n\
             {series},http_route=\"/place\",http_response_status_code=\"502\"}} 1\n\
             {series},http_route=\"/other\"}} 4\n{}\n",
            format_args!("{series},http_route=\"/place\"}} 8").to_string().replace("front", "other"),
        );
        assert_eq!(counted(&page), 3);
        assert_eq!(counted(""), 0);
    }
}
