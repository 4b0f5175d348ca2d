//! Talk with a running node through its gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use nearcast_node::settings::Settings;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::shell;

/// How long a node may take to say anything: to keep a title it may have to ask its provider first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which running node.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GatewayArgs {
    /// Where the node's players find it; otherwise as in the settings.
    #[arg(long, value_name = "ADDRESS", value_parser = shell::address)]
    pub(crate) gateway: Option<SocketAddr>,
    /// Print what the node answers as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl GatewayArgs {
    /// The node that is meant.
    pub(crate) fn node(&self) -> anyhow::Result<RunningNode> {
        let address = match self.gateway {
            Some(address) => address,
            None => Settings::load(None)?.gateway.listen,
        };
        RunningNode::at(address)
    }
}

/// A node that runs on this machine.
#[derive(Clone, Debug)]
pub(crate) struct RunningNode {
    pub(crate) address: SocketAddr,
    http: reqwest::Client,
}

/// A title as the node lists it. The texts are the provider's and may hold anything.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Title {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) artist: Option<String>,
    pub(crate) album: Option<String>,
    pub(crate) duration_ms: u64,
    pub(crate) file: String,
}

impl RunningNode {
    /// The node whose gateway is at `address`.
    pub(crate) fn at(address: SocketAddr) -> anyhow::Result<Self> {
        let http = http_client()?.read_timeout(PATIENCE).build().context("the HTTP client does not start")?;
        Ok(Self { address, http })
    }

    /// Where players find a file of a title.
    pub(crate) fn url(&self, title: &Title) -> String {
        self.url_of(title, &title.file)
    }

    /// Where players find another file of it.
    pub(crate) fn url_of(&self, title: &Title, file: &str) -> String {
        format!("http://{}/t/{}/{file}", self.address, title.id)
    }

    /// Asks for what stands at `path`.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.http.get(format!("http://{}/{path}", self.address))).await
    }

    /// Tells it something.
    pub(crate) async fn post(&self, path: &str, what: &Value) -> anyhow::Result<Value> {
        let request = self.http.post(format!("http://{}/{path}", self.address));
        let request = request.header(reqwest::header::CONTENT_TYPE, "application/json");
        self.answer(request.body(what.to_string())).await
    }

    /// Whether a node runs there.
    pub(crate) async fn runs(&self) -> bool {
        self.http.get(format!("http://{}/status", self.address)).send().await.is_ok()
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let address = self.address;
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => bail!(
                "no node answers at {address}; start one with `nearcast node LINK`, or name its --gateway"
            ),
            Err(error) => {
                return Err(anyhow!(error).context(format!("the node at {address} does not answer")));
            }
        };
        let status = answer.status();
        let text = answer.text().await.with_context(|| format!("the node at {address} broke off"))?;
        let no_node = || anyhow!("what answers at {address} is no node; name the node's --gateway");
        match status {
            StatusCode::NO_CONTENT => Ok(Value::Null),
            StatusCode::OK => serde_json::from_str(&text).map_err(|_| no_node()),
            // The gateway's own refusals are one line each, made for people.
            _ if text.lines().count() == 1 && text.len() < 1_000 => {
                bail!("{}", shell::printable(text.trim()))
            }
            _ => Err(no_node()),
        }
    }

    /// All titles.
    pub(crate) async fn titles(&self) -> anyhow::Result<Vec<Title>> {
        let titles = self.get("titles").await?;
        serde_json::from_value(titles).context("the node answered something else than a list of titles")
    }

    /// The titles that `names` mean: by id, by name, or by a part of a name that only one has.
    pub(crate) async fn find(&self, names: &[String]) -> anyhow::Result<Vec<Title>> {
        let titles = self.titles().await?;
        names.iter().map(|name| find(&titles, name).cloned()).collect()
    }
}

/// The title that `name` means.
fn find<'t>(titles: &'t [Title], name: &str) -> anyhow::Result<&'t Title> {
    let wanted = name.to_lowercase();
    if let Some(title) = titles.iter().find(|title| title.id == name) {
        return Ok(title);
    }
    let same: Vec<&Title> = titles.iter().filter(|title| title.name.to_lowercase() == wanted).collect();
    let like = || titles.iter().filter(|title| title.name.to_lowercase().contains(&wanted)).collect();
    let found: Vec<&Title> = if same.is_empty() { like() } else { same };
    match found.as_slice() {
        [] => bail!("no title is called {name:?}; `nearcast titles` lists all of them"),
        [title] => Ok(title),
        many => {
            let few: Vec<String> =
                many.iter().take(5).map(|t| format!("{} ({})", t.id, shell::printable(&t.name))).collect();
            let more = if many.len() > few.len() { ", …" } else { "" };
            bail!("{name:?} may be any of {}{more}; say which by its id", few.join(", "))
        }
    }
}

/// An HTTP client for addresses of this machine, whatever proxies are set.
pub(crate) fn http_client() -> anyhow::Result<reqwest::ClientBuilder> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS does not start")?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls);
    Ok(client.no_proxy().http1_only().tcp_nodelay(true).connect_timeout(Duration::from_secs(5)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(id: &str, name: &str) -> Title {
        Title {
            id: id.to_owned(),
            name: name.to_owned(),
            artist: None,
            album: None,
            duration_ms: 1_000,
            file: "play".to_owned(),
        }
    }

    #[test]
    fn titles_are_found_by_id_name_or_a_part_of_it() {
        let titles = [
            title("night", "Night Train"),
            title("day", "Day Train"),
            title("train", "Another"),
            title("d2", "Day"),
        ];
        for (name, id) in
            [("train", "train"), ("Night Train", "night"), ("NIGHT", "night"), ("day", "day"), ("Day", "d2")]
        {
            assert_eq!(find(&titles, name).expect(name).id, id);
        }
        let unclear = find(&titles, "Train").expect_err("two").to_string();
        assert!(unclear.contains("night (Night Train)") && unclear.contains("day (Day Train)"), "{unclear}");
        assert!(find(&titles, "nobody").expect_err("none").to_string().contains("nearcast titles"));
    }
}
