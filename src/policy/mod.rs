//! Who may do what: conditions, patterns, roles, rules, grants, access and the decision.
