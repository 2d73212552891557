//! What `explain` has to say, as `--json` writes it. docs/explain.md describes it; whoever changes a name here changes `FORMAT`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

/// The number of this shape.
pub(super) const FORMAT: u32 = 1;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(in super::super) struct Explanation {
    pub(super) format: u32,
    pub(super) app: String,
    pub(super) email: String,
    /// The time that conditions and days back were held against.
    pub(super) at: String,
    pub(super) ways_in: Vec<String>,
    /// The role of one of the workspace's own people, for whom no list is asked.
    pub(super) staff: Option<String>,
    pub(super) lists: Vec<ListFacts>,
    pub(super) ambiguous: Vec<Refused>,
    /// What people decided beside the lists.
    pub(super) records: Vec<RecordFacts>,
    /// Why that is not known.
    pub(super) records_unreadable: Option<String>,
    /// One for each customer that the person may choose.
    pub(super) accesses: Vec<AccessFacts>,
    /// The domains that belong to one customer.
    pub(super) domains: Vec<DomainFacts>,
    pub(super) verdict: VerdictFacts,
}

/// One customer list.
#[derive(Debug, Serialize)]
pub(super) struct ListFacts {
    pub(super) list: String,
    pub(super) source: String,
    pub(super) table: Option<String>,
    pub(super) email_column: String,
    /// When the table was as it was read.
    pub(super) fetched: Option<String>,
    pub(super) unreadable: Option<String>,
    pub(super) rows: Vec<RowFacts>,
    /// Rows with an address that is written much alike.
    pub(super) alike: Vec<Alike>,
}

/// One record of somebody's access.
#[derive(Debug, Serialize)]
pub(super) struct RecordFacts {
    pub(super) id: i64,
    pub(super) customer: String,
    pub(super) role: String,
    /// `invited`, `active` or `suspended`.
    pub(super) state: &'static str,
    /// Until when an invitation may be accepted.
    pub(super) expires: Option<String>,
    /// `staff`, `colleague` or `erased`, and who.
    pub(super) made_by: String,
    /// Whether it is what decides for this customer.
    pub(super) counts: bool,
    /// What it comes to beside the lists.
    pub(super) why: String,
    pub(super) advice: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Alike {
    pub(super) place: String,
    pub(super) address: String,
}

/// One row of the person's.
#[derive(Debug, Serialize)]
pub(super) struct RowFacts {
    pub(super) place: String,
    pub(super) outcome: RowOutcome,
    pub(super) refusal: Option<Refused>,
    /// What went wrong without deciding.
    pub(super) remarks: Vec<Refused>,
    pub(super) columns: BTreeMap<String, Json>,
    /// The columns for people: with their kinds.
    #[serde(skip)]
    pub(super) shown: Vec<(String, String)>,
    pub(super) conditions: Vec<ConditionFacts>,
    pub(super) customer: Option<CustomerFacts>,
    pub(super) role: Option<Sourced>,
    pub(super) days_back: Option<DaysFacts>,
    /// The ways of which holders of the role have to come by one.
    pub(super) requires: Vec<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RowOutcome {
    Counts,
    /// Another row is for the same person and customer.
    Ambiguous,
    Refused,
}

/// Why not, and what would have to change.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    pub(super) what: String,
    pub(super) advice: Option<String>,
}

/// A condition, what it came to, and what it looked at.
#[derive(Debug, Serialize)]
pub(super) struct ConditionFacts {
    pub(super) of: ConditionOf,
    /// The role that it gives or guards.
    pub(super) role: Option<String>,
    pub(super) condition: String,
    pub(super) verdict: VerdictName,
    /// Why it could not be evaluated.
    pub(super) why: Option<String>,
    /// `null` where there is no such thing as well.
    pub(super) looked_at: BTreeMap<String, Json>,
    /// The same for people.
    #[serde(skip)]
    pub(super) shown: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ConditionOf {
    Where,
    Assign,
    RoleWhen,
    RuleWhen,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum VerdictName {
    True,
    False,
    /// It could not be evaluated, which counts as not true.
    Failed,
}

#[derive(Debug, Serialize)]
pub(super) struct CustomerFacts {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) from: String,
}

/// A value and where it comes from.
#[derive(Debug, Serialize)]
pub(super) struct Sourced {
    pub(super) name: String,
    pub(super) from: String,
}

#[derive(Debug, Serialize)]
pub(super) struct DaysFacts {
    /// `null` is without limit.
    pub(super) days: Option<u32>,
    pub(super) from: String,
}

/// What the person may for one customer.
#[derive(Debug, Serialize)]
pub(super) struct AccessFacts {
    /// `null` for one of the workspace's own people.
    pub(super) customer: Option<String>,
    pub(super) customer_name: Option<String>,
    pub(super) role: String,
    pub(super) level: Option<u32>,
    pub(super) irrevocable: bool,
    pub(super) days_back: Option<u32>,
    pub(super) since: Option<String>,
    pub(super) name: Option<String>,
    pub(super) language: Option<String>,
    pub(super) notes: Option<String>,
    pub(super) attributes: BTreeMap<String, String>,
    /// In the order they are asked. None at all: the role may do everything.
    pub(super) rules: Vec<RuleFacts>,
    pub(super) headers: Vec<HeaderFacts>,
    pub(super) assertion: Option<AssertionFacts>,
    pub(super) request: Option<RequestFacts>,
    pub(super) response: Option<ResponseFacts>,
}

#[derive(Debug, Serialize)]
pub(super) struct RuleFacts {
    pub(super) role: String,
    pub(super) rule: String,
    /// Its `when`.
    pub(super) condition: Option<String>,
    /// What its `when` came to, where methods and path of the request match.
    pub(super) when: Option<ConditionFacts>,
    pub(super) filters: Option<FilterFacts>,
    /// Why it denies what it would allow.
    pub(super) denies: Option<String>,
    pub(super) matches_first: bool,
}

/// What a rule narrows.
#[derive(Debug, Serialize)]
pub(super) struct FilterFacts {
    /// The parameters that are set, with this person's values.
    pub(super) query: BTreeMap<String, String>,
    pub(super) query_only: Option<Vec<String>>,
    pub(super) field_params: Vec<String>,
    pub(super) hide: Vec<String>,
    pub(super) set: BTreeMap<String, Json>,
    pub(super) rows: Option<RowsFacts>,
    pub(super) remove: Vec<String>,
    pub(super) pass: Vec<String>,
    #[serde(skip)]
    pub(super) shown: String,
}

#[derive(Debug, Serialize)]
pub(super) struct RowsFacts {
    /// `null`: wherever they are found.
    pub(super) at: Option<String>,
    pub(super) keep: String,
}

#[derive(Debug, Serialize)]
pub(super) struct HeaderFacts {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Debug, Serialize)]
pub(super) struct AssertionFacts {
    pub(super) header: String,
    pub(super) audience: String,
    pub(super) lifetime_seconds: u64,
    /// The claims that config adds.
    pub(super) claims: BTreeMap<String, String>,
}

/// What becomes of the request that was asked about.
#[derive(Debug, Serialize)]
pub(super) struct RequestFacts {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) outcome: RequestOutcome,
    /// The name of the reason, as JSON answers and the log have it.
    pub(super) reason: Option<String>,
    pub(super) why: String,
    pub(super) advice: Option<String>,
    /// Path and query as they go to the app.
    pub(super) upstream: Option<String>,
    pub(super) notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RequestOutcome {
    Allow,
    /// 403.
    Deny,
    /// 400: the path can be read in two ways.
    BadRequest,
}

/// What becomes of the sample answer.
#[derive(Debug, Serialize)]
pub(super) struct ResponseFacts {
    pub(super) file: String,
    pub(super) content_type: String,
    pub(super) status: u16,
    pub(super) outcome: ResponseOutcome,
    /// The name of the reason, as the log has it.
    pub(super) reason: Option<String>,
    pub(super) why: Option<String>,
    pub(super) before: Counts,
    pub(super) after: Option<Counts>,
    /// Rows that `rows` cannot judge, so that they do not pass; and why the first cannot be judged.
    pub(super) unjudged_rows: usize,
    pub(super) unjudged_why: Option<String>,
    /// What changed, line by line; nothing where the answer is long.
    pub(super) diff: Option<String>,
    #[serde(skip)]
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ResponseOutcome {
    /// It went through the filters.
    Filtered,
    /// It goes on as it is: no filter reads it, or `pass` names it.
    Passed,
    /// Nothing of it, or not all, would leave.
    Refused,
    /// The request is not allowed, so there is no answer.
    NotAsked,
}

/// How large an answer is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub(super) struct Counts {
    pub(super) bytes: usize,
    /// Elements of the outermost arrays, or lines.
    pub(super) rows: Option<usize>,
    /// Members of objects at any depth, or fields.
    pub(super) members: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct DomainFacts {
    pub(super) host: String,
    pub(super) customer: String,
    pub(super) may_enter: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct VerdictFacts {
    pub(super) may_enter: bool,
    /// `null` where no request was asked about.
    pub(super) is_allowed: Option<bool>,
    pub(super) what: String,
    pub(super) advice: Option<String>,
}
