//! Forms of the console: fields with labels, remarks, and what is wrong with what was sent.

/// Something to fill in.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it goes to.
    pub action: String,
    /// Whether it only asks, and changes nothing.
    pub only_asks: bool,
    /// The fields.
    pub fields: Vec<FormField>,
    /// What its button says.
    pub submit: String,
}

/// One field. On a page no two have the same name.
#[derive(Clone, Debug)]
pub struct FormField {
    /// Its name, as sent.
    pub name: &'static str,
    /// Its label.
    pub label: String,
    /// What stands in it.
    pub value: String,
    /// What it takes.
    pub kind: FieldKind,
    /// A remark below it.
    pub hint: String,
    /// What is wrong with what was sent.
    pub problem: Option<String>,
}

/// What a field takes.
#[derive(Clone, Debug)]
pub enum FieldKind {
    /// A line.
    Line,
    /// Lines.
    Lines,
    /// One of these: the value that is sent, and what is shown.
    Choice(Vec<(String, String)>),
    /// Yes or no.
    Check,
    /// Nothing: it is sent as it is.
    Hidden,
}

impl Form {
    /// A form that changes something.
    #[must_use]
    pub fn new(action: impl Into<String>, submit: impl Into<String>, fields: Vec<FormField>) -> Self {
        Self { action: action.into(), only_asks: false, fields, submit: submit.into() }
    }

    /// A form that looks for something.
    #[must_use]
    pub fn search(action: impl Into<String>, submit: impl Into<String>, fields: Vec<FormField>) -> Self {
        Self { only_asks: true, ..Self::new(action, submit, fields) }
    }

    /// Says at their fields what is wrong with them; gives back what is said of fields that it does not have.
    pub fn mark(&mut self, problems: &[(&'static str, String)]) -> Vec<String> {
        let mut elsewhere = Vec::new();
        for (name, problem) in problems {
            let shown = |field: &&mut FormField| field.name == *name && !matches!(field.kind, FieldKind::Hidden);
            match self.fields.iter_mut().find(shown) {
                Some(field) => field.problem = Some(problem.clone()),
                None => elsewhere.push(problem.clone()),
            }
        }
        elsewhere
    }

    /// Whether a field is the first with something wrong: who sent it goes on there.
    pub(super) fn begins_at(&self, field: &FormField) -> bool {
        self.fields.iter().find(|field| field.problem.is_some()).is_some_and(|first| first.name == field.name)
    }

    pub(super) fn has_problem(&self) -> bool {
        self.fields.iter().any(|field| field.problem.is_some())
    }
}

impl FormField {
    /// A line with something in it.
    #[must_use]
    pub fn line(name: &'static str, label: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name,
            label: label.into(),
            value: value.into(),
            kind: FieldKind::Line,
            hint: String::new(),
            problem: None,
        }
    }

    /// What is sent without being shown.
    #[must_use]
    pub fn hidden(name: &'static str, value: impl Into<String>) -> Self {
        Self { kind: FieldKind::Hidden, ..Self::line(name, "", value) }
    }

    /// The same with another kind.
    #[must_use]
    pub fn of(self, kind: FieldKind) -> Self {
        Self { kind, ..self }
    }

    /// The same with a remark.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// The ids of what is said about it, for who does not see where it stands.
    pub(super) fn described_by(&self) -> Option<String> {
        let problem = self.problem.iter().map(|_| format!("{}-problem", self.name));
        let hint = (!self.hint.is_empty()).then(|| format!("{}-hint", self.name));
        let ids: Vec<_> = problem.chain(hint).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_at_its_field_and_else_nowhere_in_the_form() {
        let fields = vec![FormField::hidden("app", "orders"), FormField::line("email", "Address", "x").hint("Whose.")];
        let mut form = Form::new("/records", "Make it", fields);
        let problem = |name, text: &str| (name, text.to_owned());
        let elsewhere = form.mark(&[problem("email", "it has no @"), problem("app", "gone"), problem("role", "none")]);
        assert_eq!(elsewhere, ["gone", "none"], "who does not see a field cannot mend it there");
        assert!(form.has_problem());
        let [hidden, email] = form.fields.as_slice() else { panic!("two fields") };
        assert!(form.begins_at(email) && !form.begins_at(hidden));
        assert_eq!(email.described_by().as_deref(), Some("email-problem email-hint"));
        assert_eq!(hidden.described_by(), None);
    }
}
