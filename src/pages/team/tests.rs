//! The team's pages with whatever people may type, for the tests that hold every page, and a few of their own.

use http::StatusCode;

use super::*;
use crate::pages::{Brand, Look, Reply};
use crate::types::{Color, Language};

const PATH: &str = "/.access/team/member/7";

fn person(text: &str, state: StateView) -> PersonView {
    PersonView {
        name: text.to_owned(),
        email: text.to_owned(),
        role: text.to_owned(),
        days_back: Some(30),
        origin: OriginView::Invited { by: text.to_owned() },
        state,
        last_seen: Some(text.to_owned()),
        is_self: false,
        link: Some(PATH.to_owned()),
        why: None,
    }
}

fn people(text: &str) -> Vec<PersonView> {
    let active = || person(text, StateView::Active);
    vec![
        PersonView { is_self: true, days_back: None, origin: OriginView::Added, ..active() },
        PersonView { link: None, why: Some(WhyNot::TableWins), origin: OriginView::List, ..active() },
        PersonView { link: None, why: Some(WhyNot::Above), origin: OriginView::ListChanged, ..active() },
        PersonView { name: String::new(), link: None, why: Some(WhyNot::Irrevocable), ..active() },
        PersonView { last_seen: None, ..person(text, StateView::Suspended) },
        person(text, StateView::Without),
    ]
}

/// Every page, with `text` wherever one shows what it was given.
pub(in crate::pages) fn team_pages(look: Look<'_>, text: &str) -> Vec<(&'static str, u16, Reply)> {
    // A person without a name is shown by their address alone.
    let text = if text.is_empty() { "nobody" } else { text };
    let roles = [
        RoleView { name: "member".to_owned(), title: text.to_owned() },
        RoleView { name: "owner".to_owned(), title: text.to_owned() },
    ];
    let typed = Typed {
        first_name: text.to_owned(),
        last_name: text.to_owned(),
        email: text.to_owned(),
        language: "de".to_owned(),
        role: "member".to_owned(),
        days_back: text.to_owned(),
        note: text.to_owned(),
    };
    let view = TeamView {
        customer: text,
        done: Some(Done::Saved),
        people: people(text),
        invitations: vec![person(text, StateView::Invited { left: 7200 }), person(text, StateView::Expired)],
        found: 120,
        open_invitations: 2,
        search: text,
        page: 2,
        pages: 3,
        can_invite: true,
        is_incomplete: true,
    };
    let empty = TeamView { people: Vec::new(), invitations: Vec::new(), done: None, ..view.clone() };
    let everything_wrong = [
        (FieldName::FirstName, FieldProblem::TooLong),
        (FieldName::LastName, FieldProblem::Missing),
        (FieldName::Email, FieldProblem::Staff),
        (FieldName::Role, FieldProblem::AboveCeiling),
        (FieldName::Language, FieldProblem::BadLanguage),
        (FieldName::DaysBack, FieldProblem::BadDays),
        (FieldName::Note, FieldProblem::TooLong),
    ];
    let form = InviteView { typed: &typed, roles: &roles, problems: &[], has_team: true };
    let sent = InvitedView { person: text, customer: text, role: text, until: text, has_team: true };
    let many = ManyView {
        list: text,
        role: "",
        language: "",
        roles: &roles,
        problem: None,
        role_problem: None,
        has_team: true,
    };
    let outcomes = [
        Outcome::Invited,
        Outcome::Known,
        Outcome::Twice,
        Outcome::Wrong(FieldProblem::BadAddress),
        Outcome::Full,
        Outcome::NotStored,
    ];
    let lines: Vec<LineView> =
        outcomes.iter().map(|outcome| LineView { number: 3, who: text.to_owned(), outcome: *outcome }).collect();
    let report =
        ReportView { lines: &lines, is_check: false, list: text, role: "member", language: "", has_team: true };
    let may =
        MayView { change: true, suspend: true, let_in: true, remove: true, resend: true, withdraw: true, reset: true };
    let (active, invited_person) = (person(text, StateView::Active), person(text, StateView::Invited { left: 90 }));
    let page = MemberView {
        person: &active,
        path: PATH,
        version: 3,
        typed: &typed,
        roles: &roles,
        problems: &[],
        may,
        until: None,
        is_listed: false,
        is_stale: false,
    };
    let remove =
        RemoveView { person: text, customer: text, path: PATH, version: "3", is_invitation: false, is_listed: false };
    let shown = InvitationView {
        inviter: Some(text),
        customer: text,
        role: text,
        until: text,
        address: text,
        path: "/.access/invitation/abc",
        reader: Reader::Nobody { log_in: "/.access/login?email=a" },
    };
    let follower = |chosen| FollowerView {
        id: "7-1".to_owned(),
        name: text.to_owned(),
        email: "ann@example.com".to_owned(),
        chosen,
    };
    let own = IndependentView {
        customer: text,
        name: text,
        problem: None,
        people: vec![follower(true), follower(false)],
        is_stale: false,
    };
    let mut pages = vec![
        ("team", 200, team(look, &view)),
        ("team-empty", 200, team(look, &empty)),
        ("invite", 200, invite(look, &form)),
        ("invite-wrong", 422, invite(look, &InviteView { problems: &everything_wrong, ..form })),
        ("invited", 200, invited(look, &sent)),
        ("invited-no-team", 200, invited(look, &InvitedView { has_team: false, ..sent })),
        ("invite-many", 200, invite_many(look, &many)),
        ("report", 200, invite_report(look, &report)),
        ("report-check", 200, invite_report(look, &ReportView { is_check: true, ..report })),
        ("member", 200, member(look, &page)),
        ("member-listed", 200, member(look, &MemberView { is_listed: true, ..page })),
        ("member-wrong", 422, member(look, &MemberView { problems: &everything_wrong, ..page })),
        ("member-stale", 409, member(look, &MemberView { is_stale: true, ..page })),
        ("member-shown", 200, member(look, &MemberView { may: MayView::default(), ..page })),
        ("member-invited", 200, member(look, &MemberView { person: &invited_person, until: Some(text), ..page })),
        ("remove", 200, ask_remove(look, &remove)),
        ("remove-listed", 200, ask_remove(look, &RemoveView { is_listed: true, ..remove })),
        ("withdraw", 200, ask_remove(look, &RemoveView { is_invitation: true, ..remove })),
        ("leave", 200, ask_leave(look, text, false)),
        ("leave-listed", 409, ask_leave(look, text, true)),
        ("left", 200, left(look, text)),
        ("invitation", 200, invitation(look, &shown)),
        ("invitation-by-nobody", 200, invitation(look, &InvitationView { inviter: None, ..shown })),
        ("invitation-accept", 200, invitation(look, &InvitationView { reader: Reader::Invited, ..shown })),
        ("invitation-other", 200, invitation(look, &InvitationView { reader: Reader::Other { email: text }, ..shown })),
        ("independent", 200, independent(look, &own)),
        (
            "independent-wrong",
            422,
            independent(look, &IndependentView { problem: Some(FieldProblem::Missing), ..own.clone() }),
        ),
        ("independent-stale", 409, independent(look, &IndependentView { is_stale: true, ..own.clone() })),
        ("independent-alone", 200, independent(look, &IndependentView { people: Vec::new(), ..own.clone() })),
        ("independent-sure", 200, ask_independent(look, &own)),
        ("independent-done", 200, independent_done(look, text, text)),
        ("independent-not", 409, independent_not(look, text)),
    ];
    for problem in [ListProblem::Empty, ListProblem::TooMany, ListProblem::NoColumns] {
        let view = ManyView { problem: Some(problem), role_problem: Some(FieldProblem::AboveOwn), ..many };
        pages.push(("invite-many-wrong", 422, invite_many(look, &view)));
    }
    for end in [InvitationEnd::Expired, InvitationEnd::Gone, InvitationEnd::Revoked] {
        pages.push(("invitation-ended", 410, invitation_ended(look, end)));
    }
    for (status, why) in [
        (403, RefusedView::NoRight),
        (403, RefusedView::NoCustomer),
        (403, RefusedView::Above),
        (403, RefusedView::Irrevocable),
        (403, RefusedView::TableWins),
        (409, RefusedView::LastOwner),
        (409, RefusedView::Full),
        (429, RefusedView::TooSoon),
        (429, RefusedView::TooMany),
        (404, RefusedView::Gone),
    ] {
        pages.push(("team-refused", status, team_refused(look, why)));
    }
    pages
}

fn brand() -> Brand {
    Brand {
        title: "Orders".to_owned(),
        logo: None,
        logo_dark: None,
        icon: None,
        color: Color::parse("#0b5fff").expect("a colour"),
    }
}

fn body(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.body).expect("UTF-8")
}

#[test]
fn nothing_that_was_typed_is_lost_and_each_problem_stands_beside_its_field() {
    let brand = brand();
    let look = Look { brand: &brand, language: Language::English };
    let typed = Typed {
        email: "ann@".to_owned(),
        first_name: "Ann".to_owned(),
        last_name: "Example".to_owned(),
        role: "member".to_owned(),
        language: "bg".to_owned(),
        days_back: "many".to_owned(),
        note: "two\nlines".to_owned(),
    };
    let roles = [RoleView { name: "member".to_owned(), title: "Colleague".to_owned() }];
    let problems = [(FieldName::Email, FieldProblem::BadAddress), (FieldName::DaysBack, FieldProblem::BadDays)];
    let reply = invite(look, &InviteView { typed: &typed, roles: &roles, problems: &problems, has_team: true });
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = body(&reply);
    for kept in [
        "value=\"ann@\"",
        "value=\"Ann\"",
        "value=\"Example\"",
        "value=\"many\"",
        "two\nlines</textarea>",
        "<option value=\"member\" selected>Colleague</option>",
        "<option value=\"bg\" selected lang=\"bg\">Български</option>",
        "aria-invalid=\"true\" aria-describedby=\"email-problem\"",
        "aria-invalid=\"true\" aria-describedby=\"days_back-problem days_back-hint-1\"",
    ] {
        assert!(page.contains(kept), "{kept}: {page}");
    }
}

#[test]
fn the_list_offers_only_what_may_be_done_and_says_why_not() {
    let brand = brand();
    let look = Look { brand: &brand, language: Language::German };
    let view = TeamView {
        customer: "Example GmbH",
        done: None,
        people: people("Ann"),
        invitations: Vec::new(),
        found: 6,
        open_invitations: 0,
        search: "",
        page: 1,
        pages: 1,
        can_invite: false,
        is_incomplete: false,
    };
    let reply = team(look, &view);
    let page = body(&reply);
    assert!(!page.contains("/.access/team/invite") && !page.contains("rel=\"next\""), "{page}");
    assert_eq!(page.matches(&format!("href=\"{PATH}\"")).count(), 3);
    assert!(page.contains("Was diese Person darf, bestimmt die Liste Ihrer Organisation."), "{page}");
    assert!(page.contains("6 Personen") && page.contains("Sieht 30 Tage zurück") && page.contains("Sieht alles"));
}

#[test]
fn the_pages_of_a_search_keep_it() {
    let brand = brand();
    let look = Look { brand: &brand, language: Language::English };
    let view = TeamView {
        customer: "Example",
        done: None,
        people: people("Ann"),
        invitations: Vec::new(),
        found: 120,
        open_invitations: 2,
        search: "a&b=ü",
        page: 2,
        pages: 3,
        can_invite: true,
        is_incomplete: false,
    };
    let reply = team(look, &view);
    let page = body(&reply);
    assert!(page.contains("rel=\"next\" href=\"/.access/team?q=a%26b%3D%C3%BC&#38;page=3\""), "{page}");
    assert!(page.contains("rel=\"prev\" href=\"/.access/team?q=a%26b%3D%C3%BC&#38;page=1\""));
}

#[test]
fn somebody_elses_invitation_tells_nothing_of_what_it_is_to() {
    let brand = brand();
    let look = Look { brand: &brand, language: Language::English };
    let view = InvitationView {
        inviter: Some("Bob"),
        customer: "Secret Ltd",
        role: "owner",
        until: "3 May",
        address: "ann@example.com",
        path: "/.access/invitation/abc",
        reader: Reader::Other { email: "eve@example.com" },
    };
    let reply = invitation(look, &view);
    assert!(!body(&reply).contains("Secret Ltd") && !body(&reply).contains("Bob"));
    assert!(body(&reply).contains("ann@example.com") && body(&reply).contains("eve@example.com"));
}
