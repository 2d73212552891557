//! The answer for people.

use std::fmt::Write as _;

use super::super::paint::{Paint, count, cut, tame};
use super::facts::{
    AccessFacts, ConditionFacts, ConditionOf, Counts, Explanation, ListFacts, Refused, RequestFacts, RequestOutcome,
    ResponseFacts, ResponseOutcome, RowFacts, RowOutcome, RuleFacts, VerdictName,
};
use super::rows::MOST_SHOWN;

/// Tells the whole answer.
pub(in super::super) fn tell(told: &Explanation, paint: Paint) -> String {
    let mut story = Story { text: String::new(), paint };
    story.line(0, paint.title(format!("{} in app {}", told.email, told.app)));
    story.heading("Ways in");
    story.line(2, format!("by {}", told.ways_in.join(", or ")));
    story.lists(told);
    story.records(told);
    if told.accesses.len() > 1 {
        story.heading("Several customers");
        let names = told.accesses.iter().filter_map(|access| access.customer.as_deref()).map(tame);
        let names = names.collect::<Vec<_>>().join(", ");
        story.line(2, format!("the person chooses among {names}; here is each of them"));
    }
    for access in &told.accesses {
        story.access(access);
    }
    story.heading("In the end");
    if !told.accesses.is_empty() {
        for domain in &told.domains {
            let may = if domain.may_enter { "may enter" } else { "may not enter" };
            story.line(
                2,
                format!("by {}, which is for customer {}, the person {may}", domain.host, tame(&domain.customer)),
            );
        }
    }
    let verdict = &told.verdict;
    let text = match told.is_yes() {
        true => paint.good(&verdict.what),
        false => paint.bad(&verdict.what),
    };
    story.line(2, text);
    if let Some(advice) = &verdict.advice {
        story.advice(2, advice);
    }
    story.text
}

struct Story {
    text: String,
    paint: Paint,
}

impl Story {
    fn line(&mut self, indent: usize, text: impl AsRef<str>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{:indent$}{}", "", text.as_ref());
    }

    fn heading(&mut self, text: &str) {
        self.text.push('\n');
        let title = self.paint.title(text);
        self.line(0, title);
    }

    /// `name  value`, the values below each other.
    fn table(&mut self, indent: usize, cells: &[(String, String)]) {
        let width = cells.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in cells {
            self.line(indent, format!("{name:width$}  {value}").trim_end());
        }
    }

    fn advice(&mut self, indent: usize, advice: &str) {
        self.line(indent, format!("to let this person in: {}", tame(advice)));
    }

    fn refused(&mut self, indent: usize, refused: &Refused) {
        let text = self.paint.bad(tame(&refused.what));
        self.line(indent, text);
        if let Some(advice) = &refused.advice {
            self.advice(indent, advice);
        }
    }

    fn lists(&mut self, told: &Explanation) {
        if let Some(role) = &told.staff {
            self.heading("Workspace");
            self.line(2, format!("one of the workspace's own people, with the role `{role}`"));
            self.line(2, "so the customer lists were not asked: nobody is staff and customer of one app");
            return;
        }
        self.heading("Customer lists");
        if told.lists.is_empty() {
            self.line(2, "the app has none");
        }
        for list in &told.lists {
            self.list(list);
        }
        for refused in &told.ambiguous {
            self.refused(2, refused);
        }
    }

    fn records(&mut self, told: &Explanation) {
        if let Some(why) = &told.records_unreadable {
            self.heading("Records");
            let text = self.paint.bad(format!("the store cannot be read: {}", tame(why)));
            self.line(2, text);
        }
        if told.records.is_empty() {
            return;
        }
        self.heading("Records");
        for record in &told.records {
            let verdict = match record.counts {
                true => self.paint.good("counts"),
                false => self.paint.bad("does not count"),
            };
            let (customer, made_by) = (tame(&record.customer), tame(&record.made_by));
            let what = format!("customer {customer}, role {}, {}", record.role, record.state);
            let origin = self.paint.quiet(format!("(record {}, by {made_by})", record.id));
            self.line(2, format!("{what} {origin} {verdict}"));
            self.line(4, tame(&record.why));
            if let Some(advice) = &record.advice {
                self.advice(4, advice);
            }
        }
    }

    fn list(&mut self, list: &ListFacts) {
        let table = list.table.as_ref().map_or_else(String::new, |table| format!(", table {}", tame(table)));
        let fetched = list.fetched.as_ref().map_or_else(String::new, |time| format!(", as of {time}"));
        let source = self.paint.quiet(format!("(source {}{table}{fetched})", list.source));
        self.line(2, format!("{} {source}", tame(&list.list)));
        if let Some(why) = &list.unreadable {
            let text = self.paint.bad(format!("the source cannot be asked: {}", tame(why)));
            self.line(4, text);
            self.line(
                4,
                "until it can, nobody enters by this list but those whose rows the running gateway still remembers",
            );
            return;
        }
        if list.rows.is_empty() {
            self.line(4, format!("no row has this address in column `{}`", list.email_column));
            for alike in &list.alike {
                let address = tame(&cut(&alike.address, MOST_SHOWN));
                self.line(4, format!("{} is written much alike: {address}", alike.place));
            }
        }
        for row in &list.rows {
            self.row(row);
        }
    }

    fn row(&mut self, row: &RowFacts) {
        let verdict = match row.outcome {
            RowOutcome::Counts => self.paint.good("counts"),
            RowOutcome::Ambiguous => self.paint.bad("does not count, for another row is for the same customer"),
            RowOutcome::Refused => self.paint.bad("does not count"),
        };
        self.line(4, format!("{} {verdict}", row.place));
        let cells = row.shown.iter().map(|(name, value)| (name.clone(), self.paint.quiet(value)));
        self.table(6, &cells.collect::<Vec<_>>());
        for remark in &row.remarks {
            let text = self.paint.bad(tame(&remark.what));
            self.line(6, format!("note: {text}"));
            if let Some(advice) = &remark.advice {
                self.line(6, format!("to mend it: {}", tame(advice)));
            }
        }
        let steps = self.steps(row);
        self.table(6, &steps);
        if let Some(refusal) = &row.refusal {
            self.refused(6, refusal);
        }
    }

    /// What made a grant of a row, or kept it from being one, in the order it was asked.
    fn steps(&self, row: &RowFacts) -> Vec<(String, String)> {
        let mut steps = Vec::new();
        let conditions = |of: ConditionOf| row.conditions.iter().filter(move |condition| condition.of == of);
        steps.extend(conditions(ConditionOf::Where).map(|condition| ("where".to_owned(), self.condition(condition))));
        if let Some(customer) = &row.customer {
            steps.push(("customer".to_owned(), format!("{}, {}", tame(&customer.id), from(&customer.from))));
        }
        for condition in conditions(ConditionOf::Assign) {
            let role = condition.role.as_deref().unwrap_or_default();
            steps.push(("assign".to_owned(), format!("{role}: {}", self.condition(condition))));
        }
        if let Some(role) = &row.role {
            steps.push(("role".to_owned(), format!("{}, {}", role.name, tame(&role.from))));
        }
        for condition in conditions(ConditionOf::RoleWhen) {
            steps.push(("role's when".to_owned(), self.condition(condition)));
        }
        if let Some(days) = &row.days_back {
            let number = days.days.map_or_else(|| "without limit".to_owned(), |days| count(days, "day", "days"));
            steps.push(("days back".to_owned(), format!("{number}, {}", tame(&days.from))));
        }
        if !row.requires.is_empty() {
            steps.push(("asks for".to_owned(), format!("a log-in by {}", row.requires.join(" or "))));
        }
        steps
    }

    /// `` `row.active == "1"` is true: row.active = "1" ``
    fn condition(&self, told: &ConditionFacts) -> String {
        let verdict = match (told.verdict, &told.why) {
            (VerdictName::True, _) => "is true".to_owned(),
            (VerdictName::False, _) => self.paint.bad("is false"),
            (VerdictName::Failed, why) => {
                let why = tame(why.as_deref().unwrap_or_default());
                self.paint.bad(format!("could not be evaluated ({why})"))
            }
        };
        let looked = if told.shown.is_empty() { String::new() } else { format!(": {}", self.paint.quiet(&told.shown)) };
        format!("`{}` {verdict}{looked}", tame(&told.condition))
    }

    fn access(&mut self, access: &AccessFacts) {
        self.heading(&access.customer.as_ref().map_or_else(
            || "Access as one of the workspace".to_owned(),
            |customer| format!("Access for customer {}", tame(customer)),
        ));
        self.who(access);
        self.rules(access);
        self.headers(access);
        if let Some(request) = &access.request {
            self.text.push('\n');
            self.request(access, request);
        }
        if let Some(response) = &access.response {
            self.text.push('\n');
            self.response(response);
        }
    }

    fn who(&mut self, access: &AccessFacts) {
        let mut cells = vec![("role".to_owned(), access.role.clone())];
        let mut cell = |name: &str, value: Option<String>| {
            cells.extend(value.map(|value| (name.to_owned(), cut(&tame(&value), MOST_SHOWN))));
        };
        cell("level", access.level.map(|level| level.to_string()));
        let irrevocable = "nobody may take the role away from who has it; `impact` tells of a config that would";
        cell("irrevocable", access.irrevocable.then(|| irrevocable.to_owned()));
        cell("name", access.name.clone());
        cell("customer's name", access.customer_name.clone());
        cell("language", access.language.clone());
        cell("notes", access.notes.clone());
        for (name, value) in &access.attributes {
            cell(&format!("attributes.{}", tame(name)), Some(value.clone()));
        }
        let days = match (access.days_back, &access.since) {
            (Some(days), Some(since)) => format!("{}, so since {since}", count(days, "day", "days")),
            _ => "without limit".to_owned(),
        };
        cell("days back", Some(days));
        self.table(2, &cells);
    }

    fn rules(&mut self, access: &AccessFacts) {
        self.text.push('\n');
        if access.rules.is_empty() {
            self.line(2, format!("role `{}` has no rules, so it may do everything", access.role));
            return;
        }
        self.line(2, "rules, of which the first that matches decides:");
        let width = access.rules.iter().map(|rule| tame(&rule.rule).chars().count()).max().unwrap_or(0);
        for rule in &access.rules {
            self.rule(rule, width);
        }
    }

    fn rule(&mut self, rule: &RuleFacts, width: usize) {
        let line = format!("{:width$}  role {}", tame(&rule.rule), rule.role);
        let line = if rule.matches_first {
            format!("> {}", self.paint.title(line))
        } else {
            format!("  {}", self.paint.quiet(line))
        };
        self.line(2, line);
        match (&rule.when, &rule.condition) {
            (Some(when), _) => {
                let text = format!("when {}", self.condition(when));
                self.line(8, text);
            }
            (None, Some(condition)) => {
                let text = self.paint.quiet(format!("when `{}`", tame(condition)));
                self.line(8, text);
            }
            (None, None) => {}
        }
        if let Some(filters) = &rule.filters {
            let text = self.paint.quiet(tame(&filters.shown));
            self.line(8, text);
        }
        if let Some(denies) = &rule.denies {
            let text = self.paint.bad(denies);
            self.line(8, text);
        }
    }

    fn headers(&mut self, access: &AccessFacts) {
        let identity = access.headers.iter().map(|header| (format!("{}:", header.name), header.value.clone()));
        let mut headers: Vec<(String, String)> = identity.collect();
        if let Some(jwt) = &access.assertion {
            let claims = jwt.claims.iter().map(|(name, value)| format!(", {} = {}", tame(name), tame(value)));
            let claims = claims.collect::<String>();
            let value = format!("(signed for `{}`, good for {} s{claims})", tame(&jwt.audience), jwt.lifetime_seconds);
            headers.push((format!("{}:", jwt.header), value));
        }
        self.text.push('\n');
        if headers.is_empty() {
            self.line(2, "the upstream is told nothing of the person");
            return;
        }
        self.line(2, "the upstream is told:");
        self.table(4, &headers);
    }

    fn request(&mut self, access: &AccessFacts, request: &RequestFacts) {
        for note in &request.notes {
            let text = self.paint.quiet(note);
            self.line(2, text);
        }
        let asked = format!("{} {}", request.method, tame(&request.path));
        let why = tame(&request.why);
        let line = match request.outcome {
            RequestOutcome::Allow => self.paint.good(format!("{asked} is allowed: {why}")),
            RequestOutcome::Deny => self.paint.bad(format!("{asked} is denied: {why}")),
            RequestOutcome::BadRequest => self.paint.bad(format!("{asked} is refused with 400: {why}")),
        };
        self.line(2, line);
        if let Some(advice) = &request.advice {
            self.line(2, format!("to let it pass: {}", tame(advice)));
        }
        let is_narrowed = access.rules.iter().any(|rule| rule.matches_first && rule.filters.is_some());
        if let Some(upstream) = request.upstream.as_ref().filter(|upstream| {
            // Where a prefix moves the path, the app sees another one.
            is_narrowed || request.query.is_some() || !upstream.starts_with(&request.path)
        }) {
            self.line(2, format!("the app is asked for {}", tame(upstream)));
        }
    }

    fn response(&mut self, told: &ResponseFacts) {
        let what = format!("{} ({}, status {})", tame(&told.file), tame(&told.content_type), told.status);
        let size = |counts: &Counts| {
            let parts = [
                counts.rows.map(|rows| count(rows, "row", "rows")),
                counts.members.map(|members| count(members, "member", "members")),
                Some(count(counts.bytes, "byte", "bytes")),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        };
        let line = match told.outcome {
            ResponseOutcome::NotAsked => {
                self.paint.quiet(format!("{what} would not come back: the request is refused"))
            }
            ResponseOutcome::Passed => self.paint.good(format!("{what} passes as it is: {}", size(&told.before))),
            ResponseOutcome::Refused => {
                let why = tame(told.why.as_deref().unwrap_or_default());
                self.paint.bad(format!("{what} cannot be filtered, so nothing unfiltered leaves: {why}"))
            }
            ResponseOutcome::Filtered => {
                let after = told.after.unwrap_or_default();
                self.paint.good(format!("{what} is filtered: {}; of {}", size(&after), size(&told.before)))
            }
        };
        self.line(2, line);
        if told.outcome != ResponseOutcome::Filtered {
            return;
        }
        if let Some(why) = &told.unjudged_why {
            let rows = count(told.unjudged_rows, "row", "rows");
            let text = self.paint.bad(format!("{rows} cannot be judged and will not pass: {}", tame(why)));
            self.line(2, text);
        }
        match told.diff.as_deref() {
            Some("") => self.line(2, "nothing in it changes"),
            Some(diff) => {
                for line in diff.lines() {
                    let text = tame(line);
                    let text = match line.chars().next() {
                        Some('-') => self.paint.bad(text),
                        Some('+') => self.paint.good(text),
                        Some('@') => self.paint.quiet(text),
                        _ => text,
                    };
                    self.line(4, text);
                }
            }
            None => {
                let text =
                    self.paint.quiet("it is too long to be shown line by line; --output FILE writes what would leave");
                self.line(2, text);
            }
        }
    }
}

/// `from column …`, but for what says itself where it is from.
fn from(text: &str) -> String {
    format!("from {}", tame(text))
}
