//! `vestibule domains`: how every domain stands on its way to a certificate, and what one of them lacks.
//!
//! It reads the store beside a running gateway. What only the gateway can see, whether a name leads to it, it is asked to look at
//! by a row in the store: so no admin listener is needed.

mod text;

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::paint::{Paint, tame};
use super::{DomainsAction, DomainsArgs, Failure, print};
use crate::certificates::by_name::ByName;
use crate::certificates::folder;
use crate::config::{self, Config};
use crate::domains::acme::name_for;
use crate::domains::onboarding::points_to;
use crate::state::certificates::{Certificate, CertificateName, CertificateSet, CertificateSource as _};
use crate::state::clock::Clock;
use crate::state::domains::{Claim, DomainStore as _, Phase, Progress};
use crate::state::issuance::{CertificateStore as _, Times, Which};
use crate::state::onboarding::{DomainRow, NamedBy, Sight, Standing, Wish};
use crate::state::ports::StoreError;
use crate::state::proof::{ProofKey, UNPROVEN};
use crate::store::{self, SqliteStore};
use crate::types::HostName;

/// How long the gateway has to say what it sees.
const LOOK_TAKES: Duration = Duration::from_secs(40);

/// How long it has to take up a wish: it looks for them every second.
const TAKEN_UP: Duration = Duration::from_secs(8);

/// Tells how all domains stand, or one of them, or does what is asked for one.
pub(super) async fn run(args: &DomainsArgs) -> Result<ExitCode, Failure> {
    let file = match &args.action {
        Some(DomainsAction::Retry { config, .. } | DomainsAction::Approve { config, .. }) => config,
        None => &args.config,
    };
    let config = config::load(&file.config)?;
    let store = store::open_beside(&config.server.data).await.map_err(|error| Failure::Other(error.to_string()))?;
    let done = match (&args.action, &args.host) {
        (Some(DomainsAction::Retry { host, .. }), _) => retry(&config, &store, &parse(host)?).await,
        (Some(DomainsAction::Approve { host, .. }), _) => approve(&store, &parse(host)?).await,
        (None, Some(host)) => one(args, &config, &store, &parse(host)?).await,
        (None, None) => all(args, &config, &store).await,
    };
    store.close().await;
    done
}

fn parse(host: &str) -> Result<HostName, Failure> {
    let help = "write a domain such as `orders.example.com`";
    HostName::parse(host).map_err(|error| Failure::Usage(format!("`{host}`: {error}\n  help: {help}")))
}

fn failed(error: StoreError) -> Failure {
    Failure::Other(error.to_string())
}

/// The certificates that nothing is ordered for.
struct Provided {
    set: CertificateSet,
    by_name: Option<ByName>,
    local_ca: bool,
}

impl Provided {
    fn of(config: &Config, now: Timestamp) -> Self {
        let (mut set, mut by_name) = (CertificateSet::default(), None);
        if let Some(path) = config.tls.certs.clone() {
            if folder::is_large(&path) {
                by_name = Some(ByName::new(path, Clock));
            } else {
                set = CertificateSet::new(folder::load(&path, now).certificates);
            }
        }
        Self { set, by_name, local_ca: config.tls.local_ca }
    }

    /// When the certificate ends that the folder has for a host.
    async fn until(&self, host: &HostName, now: Timestamp) -> Option<Timestamp> {
        if let Some(found) = self.set.find(host.as_str(), now) {
            return Some(found.not_after);
        }
        let found: Certificate = self.by_name.as_ref()?.fetch(&CertificateName::Exact(host.clone())).await.ok()??;
        Some(found.not_after)
    }
}

/// Every domain that the config and the tables name.
async fn named(config: &Config, store: &SqliteStore) -> Result<Vec<DomainRow>, Failure> {
    let mut rows: Vec<DomainRow> = Vec::new();
    for app in &config.apps {
        rows.extend(app.domains.iter().map(|domain| {
            DomainRow::new(domain.host.clone(), Some(app.name.clone()), domain.customer.clone(), NamedBy::Config)
        }));
    }
    if let Some(hub) = &config.login.hub {
        rows.push(DomainRow::new(hub.clone(), None, None, NamedBy::Hub));
    }
    let known: std::collections::HashSet<_> = rows.iter().map(|row| row.host.clone()).collect();
    let key = ProofKey::of(store).await.map_err(failed)?;
    for claim in store.claims().await.map_err(failed)? {
        if claim.left.is_some() || known.contains(&claim.host) {
            continue;
        }
        rows.push(row_of(claim, &key));
    }
    Ok(rows)
}

/// A domain of a table; one that waits to be proven stands so already.
fn row_of(claim: Claim, key: &ProofKey) -> DomainRow {
    let (app, customer) = (Some(claim.owner.app.clone()), claim.owner.customer.clone());
    if claim.is_proven() {
        return DomainRow::new(claim.host, app, customer, NamedBy::Table);
    }
    let proof = key.proof(&claim.host, &claim.owner);
    DomainRow {
        state: Standing::Phase(Phase::Missing),
        problem: Some(UNPROVEN.to_owned()),
        sentence: Some(proof.sentence(&claim.host)),
        ..DomainRow::new(claim.host, app, customer, NamedBy::Table)
    }
}

/// How a row stands.
async fn stand(
    row: DomainRow,
    config: &Config,
    progress: Option<Progress>,
    times: Option<&Times>,
    provided: &Provided,
    now: Timestamp,
) -> DomainRow {
    if row.problem.is_some() {
        return row;
    }
    let in_folder = if progress.is_none() { provided.until(&row.host, now).await } else { None };
    match (&config.acme, in_folder) {
        (_, Some(until)) if until >= now => DomainRow { state: Standing::Provided, until: Some(until), ..row },
        (Some(acme), _) => {
            let name = name_for(acme, &row.host);
            row.on_its_way(&name, progress, times)
        }
        (None, _) if provided.local_ca => DomainRow { state: Standing::Provided, ..row },
        (None, until) => DomainRow { until, ..row },
    }
}

fn name_of(config: &Config, host: &HostName) -> CertificateName {
    config.acme.as_ref().map_or_else(|| CertificateName::Exact(host.clone()), |acme| name_for(acme, host))
}

async fn all(args: &DomainsArgs, config: &Config, store: &SqliteStore) -> Result<ExitCode, Failure> {
    let wanted = match &args.state {
        None => None,
        Some(name) => Some(Standing::parse(name).ok_or_else(|| {
            let names = Standing::ALL.map(Standing::name).join(", ");
            Failure::Usage(format!("there is no state `{name}`\n  help: there are {names}"))
        })?),
    };
    let now = Clock.now();
    let mut progress: HashMap<_, _> = store.progress().await.map_err(failed)?.into_iter().collect();
    let times: HashMap<_, _> = store.certificate_times(Which::All).await.map_err(failed)?.into_iter().collect();
    let provided = Provided::of(config, now);
    let mut rows = Vec::new();
    for row in named(config, store).await? {
        let name = name_of(config, &row.host);
        let known = match &name {
            CertificateName::Exact(_) => progress.remove(&name),
            CertificateName::Wildcard(_) => progress.get(&name).cloned(),
        };
        rows.push(stand(row, config, known, times.get(&name), &provided, now).await);
    }
    rows.sort_by(|one, other| (one.rank(now), &one.host).cmp(&(other.rank(now), &other.host)));
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for state in Standing::ALL {
        counts.push((state.name(), rows.iter().filter(|row| row.state == state).count()));
    }
    rows.retain(|row| wanted.is_none_or(|wanted| row.state == wanted));
    if args.json {
        let counts: serde_json::Map<_, _> =
            counts.into_iter().map(|(state, count)| (state.into(), count.into())).collect();
        let rows: Vec<_> = rows.iter().map(DomainRow::to_json).collect();
        return print(&format!("{:#}\n", json!({ "counts": counts, "domains": rows })));
    }
    print(&text::table(&rows, &counts, now, Paint::for_stdout()))
}

async fn one(args: &DomainsArgs, config: &Config, store: &SqliteStore, host: &HostName) -> Result<ExitCode, Failure> {
    let row = find(config, store, host).await?;
    let now = Clock.now();
    let name = name_of(config, host);
    let sight = match args.check {
        true => Some(look(config, store, &name).await?),
        false => None,
    };
    let progress = store.progress_of(std::slice::from_ref(&name)).await.map_err(failed)?.pop();
    let progress = progress.map(|(_, progress)| progress);
    let certificate = store.certificate(&name).await.map_err(failed)?;
    let times = certificate.as_ref().map(|certificate| certificate.times);
    let row = stand(row, config, progress, times.as_ref(), &Provided::of(config, now), now).await;
    let resolvers = config.acme.as_ref().map(|acme| acme.resolvers.clone()).unwrap_or_default();
    let pointing = points_to(&resolvers, host).await;
    let is_fine = !row.is_in_trouble(now) && sight.as_ref().is_none_or(|sight| sight.problem.is_none());
    let told = if args.json {
        let mut value = row.to_json();
        if let Some(object) = value.as_object_mut() {
            let at = |at: Timestamp| format!("{at:.0}");
            let certificate = times.map(|times| {
                json!({ "names": [name.to_string()], "from": at(times.not_before), "until": at(times.not_after), "renew_at": at(times.renew_at) })
            });
            object.insert("ordered".to_owned(), json!(certificate));
            let points = pointing.as_ref().ok().map(|points| json!({ "addresses": points.0, "aliases": points.1 }));
            object.insert("points_to".to_owned(), json!(points));
            if let Some(sight) = &sight {
                object.insert("check".to_owned(), json!(sight));
            }
        }
        format!("{value:#}\n")
    } else {
        text::one(&row, &name, times.as_ref(), &pointing, sight.as_ref(), now, Paint::for_stdout())
    };
    print(&told)?;
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn find(config: &Config, store: &SqliteStore, host: &HostName) -> Result<DomainRow, Failure> {
    named(config, store).await?.into_iter().find(|row| row.host == *host).ok_or_else(|| {
        let help = "`vestibule domains` lists those that the config and the tables name; `check --data` tells of rows that do not count";
        Failure::Usage(format!("no app has the domain `{host}`\n  help: {help}"))
    })
}

/// Has the gateway look at a name.
async fn look(config: &Config, store: &SqliteStore, name: &CertificateName) -> Result<Sight, Failure> {
    if config.acme.is_none() {
        return Err(Failure::Usage(
            "nothing is ordered for it, so there is nothing to look at\n  help: leave `--check` out, or add `[acme]`"
                .to_owned(),
        ));
    }
    match ask(store, name, Wish::Look, LOOK_TAKES).await? {
        Some(answer) => serde_json::from_str::<Option<Sight>>(&answer).ok().flatten().ok_or_else(|| {
            Failure::Other(
                "the gateway does not know the domain yet\n  help: try again when it has read its tables".to_owned(),
            )
        }),
        None => Err(Failure::Other(
            "the gateway does not answer\n  help: start it; only it can see whether a domain leads to it".to_owned(),
        )),
    }
}

async fn retry(config: &Config, store: &SqliteStore, host: &HostName) -> Result<ExitCode, Failure> {
    find(config, store, host).await?;
    if config.acme.is_none() {
        let help = "add `[acme]`, or put its certificate into the folder `tls.certs`";
        return Err(Failure::Usage(format!(
            "nothing is ordered for it, so there is nothing to try again\n  help: {help}"
        )));
    }
    match ask(store, &name_of(config, host), Wish::Retry, TAKEN_UP).await? {
        Some(answer) => {
            let sight = serde_json::from_str::<Option<Sight>>(&answer).ok().flatten().unwrap_or_default();
            let waits = sight.orders_wait.map(|waits| format!("{}\n", tame(&waits))).unwrap_or_default();
            let told = format!("{host} is looked at now; `vestibule domains {host}` tells what comes of it\n{waits}");
            print(&told)
        }
        None => Err(Failure::Other(
            "the gateway does not answer\n  help: start it; it looks at all domains then".to_owned(),
        )),
    }
}

async fn ask(
    store: &SqliteStore,
    name: &CertificateName,
    wish: Wish,
    patience: Duration,
) -> Result<Option<String>, Failure> {
    const EVERY: Duration = Duration::from_millis(200);
    store.ask_for(name, wish, Clock.now()).await.map_err(failed)?;
    let begun = std::time::Instant::now();
    while begun.elapsed() < patience {
        tokio::time::sleep(EVERY).await;
        if let Some(answer) = store.take_answer(name).await.map_err(failed)? {
            return Ok(Some(answer));
        }
    }
    // What nobody took up must not surprise whoever starts a gateway tomorrow.
    store.forget_wish(name).await.map_err(failed)?;
    Ok(None)
}

/// Notes an operator's word that a domain may serve for whom the tables name it now.
async fn approve(store: &SqliteStore, host: &HostName) -> Result<ExitCode, Failure> {
    let find = async || {
        let claims = store.claims().await.map_err(failed)?;
        Ok::<_, Failure>(claims.into_iter().find(|claim| claim.host == *host && claim.left.is_none()))
    };
    let claim = find().await?.ok_or_else(|| {
        let help =
            "`vestibule domains` lists those that tables name; `check --data` tells what is wrong with their rows";
        Failure::Usage(format!("no table names the domain `{host}`\n  help: {help}"))
    })?;
    let whose = match &claim.owner.customer {
        Some(customer) => format!("customer {} of app {}", tame(customer.as_str()), claim.owner.app),
        None => format!("all customers of app {}", claim.owner.app),
    };
    if claim.is_proven() {
        return print(&format!("{host} is proven for {whose}: there is nothing to approve\n"));
    }
    store.approve(host, &claim.owner).await.map_err(failed)?;
    let begun = std::time::Instant::now();
    while begun.elapsed() < TAKEN_UP {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let is_taken_up = !store.approvals().await.map_err(failed)?.iter().any(|(approved, _)| approved == host);
        if is_taken_up {
            let is_done = find().await?.is_some_and(|now| now.owner == claim.owner && now.is_proven());
            return match is_done {
                true => print(&format!("{host} serves for {whose}\n")),
                false => Err(Failure::Other(format!(
                    "{host} does not wait for {whose} any more\n  help: see `vestibule domains {host}`"
                ))),
            };
        }
    }
    print(&format!("{host} is approved for {whose}; the gateway takes that up when it runs\n"))
}
