//! Everybody who may enter, under one config or several, for `impact`.
//!
//! Tables may be large, and two configs mostly read the same ones: a table that several lists read is walked once for all of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::report::Progress;
use super::source::{Source, Step, View};
use super::{Lists, TableDirectory, Tables};
use crate::config::{self, Config};
use crate::policy::{CustomerList, Grant};
use crate::state::clock::Clock;
use crate::types::{AppName, CustomerId, Email, RoleName};

/// Who may enter an app: by person and customer. The workspace's own people have no customer.
#[derive(Debug, Default)]
pub struct Census {
    /// Who may enter, and as what.
    pub people: BTreeMap<(Email, Option<CustomerId>), Member>,
    /// Lists whose table could not be read to its end: whoever stands there is missing above.
    pub unread: Vec<Unread>,
}

/// What one person may for one customer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// The role.
    pub role: RoleName,
    /// How many days back.
    pub days_back: Option<u32>,
}

/// A list whose table could not be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unread {
    /// The list.
    pub list: String,
    /// Why.
    pub why: String,
}

/// Reads all tables of several configs from end to end: a census for each app of each of them, in their order.
pub async fn census(
    sides: &[(&Config, &TableDirectory)],
    progress: &mut Progress<'_>,
) -> Vec<BTreeMap<AppName, Census>> {
    let side = |(config, directory): &(&'_ Config, &'_ TableDirectory)| Side {
        config: Config::clone(config),
        clock: directory.clock,
        tables: directory.tables.load_full(),
    };
    let sides: Vec<Side> = sides.iter().map(side).collect();
    let mut counts: Vec<BTreeMap<AppName, Count<'_>>> = sides.iter().map(empty).collect();
    for table in tables(&sides) {
        let now = table.clock.now();
        let mut read = 0;
        let mut each = |step: Step| {
            read += 1;
            progress(table.list, read, step.total);
            let Ok(row) = step.row.map(Arc::new) else { return };
            for reader in &table.readers {
                let count = counts.get_mut(reader.side).and_then(|apps| apps.get_mut(&reader.lists.app.name));
                let (Some(count), Some(list)) = (count, reader.list()) else { continue };
                if let Ok(grant) = reader.lists.app.policy.nominate(list, &row, now, &mut Vec::new()) {
                    count.add(grant);
                }
            }
        };
        if let Err(why) = table.source.walk(View::List(table.list), now, &mut each).await {
            for reader in &table.readers {
                let count = counts.get_mut(reader.side).and_then(|apps| apps.get_mut(&reader.lists.app.name));
                let (Some(count), Some(list)) = (count, reader.list()) else { continue };
                count.unread.push(Unread { list: list.name.clone(), why: why.clone() });
            }
        }
    }
    counts.into_iter().map(|apps| apps.into_iter().map(|(name, count)| (name, count.finish())).collect()).collect()
}

/// One config's side, as it was when the census began.
struct Side {
    config: Config,
    clock: Clock,
    tables: Arc<Tables>,
}

/// A table, and the lists that read it.
struct Table<'a> {
    definition: &'a config::Source,
    clock: Clock,
    source: &'a Source,
    list: &'a CustomerList,
    readers: Vec<Reader<'a>>,
}

struct Reader<'a> {
    side: usize,
    lists: &'a Lists,
    number: usize,
}

impl<'a> Reader<'a> {
    fn list(&self) -> Option<&'a CustomerList> {
        self.lists.app.policy.lists.get(self.number)
    }
}

fn tables(sides: &[Side]) -> Vec<Table<'_>> {
    let mut tables: Vec<Table<'_>> = Vec::new();
    for (side, Side { config, clock, tables: known }) in sides.iter().enumerate() {
        for app in &config.apps {
            let Some(lists) = known.apps.get(&app.name) else { continue };
            for (number, (list, source)) in lists.app.policy.lists.iter().zip(&lists.sources).enumerate() {
                let Some(definition) = config.sources.iter().find(|source| source.name == list.source) else {
                    continue;
                };
                let reader = Reader { side, lists, number };
                let is_same = |table: &&mut Table<'_>| {
                    table.definition.kind == definition.kind
                        && table.list.table == list.table
                        && table.list.columns.email == list.columns.email
                };
                match tables.iter_mut().find(is_same) {
                    Some(table) => table.readers.push(reader),
                    None => tables.push(Table { definition, clock: *clock, source, list, readers: vec![reader] }),
                }
            }
        }
    }
    tables
}

fn empty(side: &Side) -> BTreeMap<AppName, Count<'_>> {
    let count = |app: &Arc<config::App>| {
        let lists = side.tables.apps.get(&app.name)?;
        Some((app.name.clone(), Count { lists, people: HashMap::new(), unread: Vec::new() }))
    };
    side.config.apps.iter().filter_map(count).collect()
}

struct Count<'a> {
    lists: &'a Lists,
    /// Nothing where two rows are for the same person and customer, so that neither counts.
    people: HashMap<(Email, Option<CustomerId>), Option<Member>>,
    unread: Vec<Unread>,
}

impl Count<'_> {
    fn add(&mut self, grant: Grant) {
        if self.lists.app.policy.workspace.contains_key(&grant.email) {
            return;
        }
        let customer = grant.customer_id().cloned();
        let member = Member { role: grant.role, days_back: grant.days_back };
        self.people.entry((grant.email, customer)).and_modify(|member| *member = None).or_insert(Some(member));
    }

    fn finish(self) -> Census {
        let staff = self.lists.app.policy.workspace.keys().filter_map(|email| {
            let grant = self.lists.app.policy.workspace_grant(email)?;
            Some(((grant.email, None), Member { role: grant.role, days_back: grant.days_back }))
        });
        let customers = self.people.into_iter().filter_map(|(who, member)| Some((who, member?)));
        Census { people: customers.chain(staff).collect(), unread: self.unread }
    }
}
