//! What to do about a refusal: for each one, what would have to change to let the person in.

use crate::config::nearest::did_you_mean;
use crate::policy::{AppPolicy, CustomerList, ListRole, Refusal};
use crate::types::{ColumnName, RoleName};

/// What would have to change, as the end of "to let this person in: …".
pub(super) fn advice(refusal: &Refusal, policy: &AppPolicy, list: &CustomerList) -> String {
    let columns = &list.columns;
    let app = &policy.name;
    let name = &list.name;
    let column = |column: &Option<ColumnName>| column.as_ref().map_or_else(String::new, |name| format!(" `{name}`"));
    match refusal {
        Refusal::NoColumn(column) => {
            format!("add a column `{column}` to the table, or name the right one in list `{name}`")
        }
        Refusal::NoEmail | Refusal::BadEmail(..) => {
            format!("write the address alone into column `{}`, as in ann@example.com", columns.email)
        }
        Refusal::Where => format!("change the row so that {} becomes true, or widen `where`", condition_of(list)),
        Refusal::WhereFailed(_) => {
            format!("mend {} so that it is true or false for this row, or fill in what it looks at", condition_of(list))
        }
        Refusal::NoCustomer => format!("fill in column{}", column(&columns.customer)),
        Refusal::BadCustomer => {
            format!(
                "write a key of at most 256 bytes without control characters into column{}",
                column(&columns.customer)
            )
        }
        Refusal::BadDaysBack(_) => format!(
            "write a whole number from 0 to 36500 into column{}, or leave it empty for no limit",
            column(&columns.days_back)
        ),
        Refusal::NoRole => match &list.role {
            ListRole::Column(column) => {
                format!("fill in column `{column}`, or set `roles_default` in `[app.{app}]`")
            }
            ListRole::Name(_) | ListRole::Default => {
                format!("give list `{name}` a `role`, or set `roles_default` in `[app.{app}]`")
            }
        },
        Refusal::UnknownRole(role) => unknown_role(role, policy),
        Refusal::RoleWhen(role) => {
            format!("change the row so that {} becomes true, or give the row another role", when_of(role, policy))
        }
        Refusal::RoleWhenFailed(role, _) => format!(
            "mend {} so that it is true or false for this row, or fill in what it looks at",
            when_of(role, policy)
        ),
        Refusal::AssignFailed(role, _) => {
            let when = list.assign.iter().find(|assign| assign.role == *role);
            let when = when.map_or_else(String::new, |assign| format!(" `{}`", assign.when.source()));
            format!("mend the condition{when} of `assign`, or fill in what it looks at")
        }
        Refusal::Ambiguous { .. } => "keep one of the rows, for nobody can know which one is meant".to_owned(),
    }
}

fn condition_of(list: &CustomerList) -> String {
    match &list.condition {
        Some(condition) => format!("`{}`", condition.source()),
        None => "`where`".to_owned(),
    }
}

fn when_of(role: &RoleName, policy: &AppPolicy) -> String {
    match policy.roles.role(role).and_then(|role| role.when.as_ref()) {
        Some(when) => format!("`{}`", when.source()),
        None => format!("`when` of role `{role}`"),
    }
}

fn unknown_role(role: &str, policy: &AppPolicy) -> String {
    let known: Vec<&str> = policy.roles.0.keys().map(RoleName::as_str).collect();
    let list = known.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(", ");
    let add = match RoleName::parse(role) {
        Ok(role) => format!(", or add `[app.{}.role.{role}]`", policy.name),
        Err(_) => String::new(),
    };
    did_you_mean(role, known.iter().copied(), &format!("write one of {list}{add}"))
}
