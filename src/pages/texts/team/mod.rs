//! What people read on the pages where a customer's own people look after each other's access, and in the mails from there.

mod bulgarian;
mod english;
mod french;
mod german;
mod spanish;

pub(super) use bulgarian::BULGARIAN;
pub(super) use english::ENGLISH;
pub(super) use french::FRENCH;
pub(super) use german::GERMAN;
pub(super) use spanish::SPANISH;

/// The texts of the team's pages in one language.
#[derive(Debug)]
pub(in crate::pages) struct TeamTexts {
    pub(in crate::pages) list: ListTexts,
    pub(in crate::pages) person: PersonTexts,
    pub(in crate::pages) field: FieldTexts,
    pub(in crate::pages) invite: InviteTexts,
    pub(in crate::pages) many: ManyTexts,
    pub(in crate::pages) member: MemberTexts,
    pub(in crate::pages) refused: RefusedTexts,
    pub(in crate::pages) leave: LeaveTexts,
    pub(in crate::pages) invitation: InvitationTexts,
    pub(in crate::pages) independent: IndependentTexts,
    pub(in crate::pages) mail: TeamMailTexts,
    pub(in crate::pages) doors: DoorTexts,
}

/// The list of a customer's people.
#[derive(Debug)]
pub(in crate::pages) struct ListTexts {
    pub(in crate::pages) heading: &'static str,
    pub(in crate::pages) lead: &'static str,
    pub(in crate::pages) invite: &'static str,
    pub(in crate::pages) invite_many: &'static str,
    pub(in crate::pages) invitations: &'static str,
    pub(in crate::pages) members: &'static str,
    pub(in crate::pages) found: fn(u32) -> String,
    pub(in crate::pages) search: &'static str,
    pub(in crate::pages) search_submit: &'static str,
    pub(in crate::pages) all: &'static str,
    pub(in crate::pages) none: &'static str,
    pub(in crate::pages) person: &'static str,
    pub(in crate::pages) access: &'static str,
    pub(in crate::pages) origin: &'static str,
    pub(in crate::pages) state: &'static str,
    pub(in crate::pages) action: &'static str,
    pub(in crate::pages) change: &'static str,
    pub(in crate::pages) open: &'static str,
    pub(in crate::pages) pages: &'static str,
    pub(in crate::pages) page: &'static str,
    pub(in crate::pages) previous: &'static str,
    pub(in crate::pages) next: &'static str,
    pub(in crate::pages) incomplete: &'static str,
    pub(in crate::pages) account: &'static str,
    pub(in crate::pages) saved: &'static str,
    pub(in crate::pages) removed: &'static str,
    pub(in crate::pages) withdrawn: &'static str,
    pub(in crate::pages) resent: &'static str,
    pub(in crate::pages) suspended: &'static str,
    pub(in crate::pages) let_in: &'static str,
}

/// What is said of one person.
#[derive(Debug)]
pub(in crate::pages) struct PersonTexts {
    pub(in crate::pages) yourself: &'static str,
    pub(in crate::pages) unlimited: &'static str,
    pub(in crate::pages) days: fn(u32) -> String,
    pub(in crate::pages) by_list: &'static str,
    pub(in crate::pages) invited_by: &'static str,
    pub(in crate::pages) invited: &'static str,
    pub(in crate::pages) added: &'static str,
    pub(in crate::pages) changed_here: &'static str,
    pub(in crate::pages) active: &'static str,
    pub(in crate::pages) suspended: &'static str,
    pub(in crate::pages) open: &'static str,
    pub(in crate::pages) expired: &'static str,
    pub(in crate::pages) left: fn(i64) -> String,
    pub(in crate::pages) without: &'static str,
    pub(in crate::pages) last_seen: &'static str,
    pub(in crate::pages) table_wins: &'static str,
    pub(in crate::pages) above: &'static str,
    pub(in crate::pages) irrevocable: &'static str,
    pub(in crate::pages) role_gone: &'static str,
}

/// The fields of forms, and what can be wrong with them.
#[derive(Debug)]
pub(in crate::pages) struct FieldTexts {
    pub(in crate::pages) optional: &'static str,
    pub(in crate::pages) first_name: &'static str,
    pub(in crate::pages) last_name: &'static str,
    pub(in crate::pages) email: &'static str,
    pub(in crate::pages) language: &'static str,
    pub(in crate::pages) language_hint: &'static str,
    pub(in crate::pages) language_any: &'static str,
    pub(in crate::pages) role: &'static str,
    pub(in crate::pages) role_choose: &'static str,
    pub(in crate::pages) days_back: &'static str,
    pub(in crate::pages) days_back_hint: &'static str,
    pub(in crate::pages) note: &'static str,
    pub(in crate::pages) note_hint: &'static str,
    pub(in crate::pages) problem: &'static str,
    pub(in crate::pages) missing: &'static str,
    pub(in crate::pages) too_long: &'static str,
    pub(in crate::pages) bad_address: &'static str,
    pub(in crate::pages) known: &'static str,
    pub(in crate::pages) bad_role: &'static str,
    pub(in crate::pages) above_own: &'static str,
    pub(in crate::pages) above_ceiling: &'static str,
    pub(in crate::pages) days_above_own: &'static str,
    pub(in crate::pages) bad_days: &'static str,
    pub(in crate::pages) bad_language: &'static str,
    pub(in crate::pages) staff: &'static str,
}

/// Inviting one person.
#[derive(Debug)]
pub(in crate::pages) struct InviteTexts {
    pub(in crate::pages) heading: &'static str,
    pub(in crate::pages) lead: &'static str,
    pub(in crate::pages) submit: &'static str,
    pub(in crate::pages) done_heading: &'static str,
    pub(in crate::pages) done: &'static str,
    pub(in crate::pages) done_until: &'static str,
    pub(in crate::pages) another: &'static str,
    pub(in crate::pages) team: &'static str,
}

/// Inviting many at once.
#[derive(Debug)]
pub(in crate::pages) struct ManyTexts {
    pub(in crate::pages) heading: &'static str,
    pub(in crate::pages) lead: &'static str,
    pub(in crate::pages) list: &'static str,
    pub(in crate::pages) how: &'static str,
    pub(in crate::pages) how_table: &'static str,
    pub(in crate::pages) role: &'static str,
    pub(in crate::pages) language: &'static str,
    pub(in crate::pages) check: &'static str,
    pub(in crate::pages) submit: &'static str,
    pub(in crate::pages) empty: &'static str,
    pub(in crate::pages) too_many: &'static str,
    pub(in crate::pages) check_heading: &'static str,
    pub(in crate::pages) would: fn(u32) -> String,
    pub(in crate::pages) report_heading: &'static str,
    pub(in crate::pages) invited: fn(u32) -> String,
    pub(in crate::pages) known: fn(u32) -> String,
    pub(in crate::pages) not_invited: fn(u32) -> String,
    pub(in crate::pages) line: &'static str,
    pub(in crate::pages) who: &'static str,
    pub(in crate::pages) what: &'static str,
    pub(in crate::pages) is_fine: &'static str,
    pub(in crate::pages) is_invited: &'static str,
    pub(in crate::pages) is_known: &'static str,
    pub(in crate::pages) is_twice: &'static str,
    pub(in crate::pages) no_columns: &'static str,
    pub(in crate::pages) not_stored: &'static str,
    pub(in crate::pages) copy: &'static str,
    pub(in crate::pages) mend: &'static str,
    pub(in crate::pages) go: fn(u32) -> String,
    pub(in crate::pages) back: &'static str,
}

/// One member's page.
#[derive(Debug)]
pub(in crate::pages) struct MemberTexts {
    pub(in crate::pages) save: &'static str,
    pub(in crate::pages) resend: &'static str,
    pub(in crate::pages) resend_hint: &'static str,
    pub(in crate::pages) withdraw: &'static str,
    pub(in crate::pages) suspend: &'static str,
    pub(in crate::pages) suspend_hint: &'static str,
    pub(in crate::pages) let_in: &'static str,
    pub(in crate::pages) remove: &'static str,
    pub(in crate::pages) end_heading: &'static str,
    pub(in crate::pages) invitation_heading: &'static str,
    pub(in crate::pages) remove_heading: &'static str,
    pub(in crate::pages) remove_lead: &'static str,
    pub(in crate::pages) remove_ends: &'static str,
    pub(in crate::pages) remove_list: &'static str,
    pub(in crate::pages) reset: &'static str,
    pub(in crate::pages) remove_submit: &'static str,
    pub(in crate::pages) withdraw_heading: &'static str,
    pub(in crate::pages) withdraw_lead: &'static str,
    pub(in crate::pages) withdraw_submit: &'static str,
    pub(in crate::pages) keep: &'static str,
    pub(in crate::pages) stale: &'static str,
    pub(in crate::pages) back: &'static str,
}

/// Why something is not done.
#[derive(Debug)]
pub(in crate::pages) struct RefusedTexts {
    pub(in crate::pages) heading: &'static str,
    pub(in crate::pages) no_right: &'static str,
    pub(in crate::pages) no_customer: &'static str,
    pub(in crate::pages) above: &'static str,
    pub(in crate::pages) irrevocable: &'static str,
    pub(in crate::pages) last_owner: &'static str,
    pub(in crate::pages) full: &'static str,
    pub(in crate::pages) too_many_mails: &'static str,
    pub(in crate::pages) too_many: &'static str,
    pub(in crate::pages) gone_heading: &'static str,
    pub(in crate::pages) gone: &'static str,
    pub(in crate::pages) back: &'static str,
}

/// Leaving one's own customer.
#[derive(Debug)]
pub(in crate::pages) struct LeaveTexts {
    pub(in crate::pages) heading: &'static str,
    pub(in crate::pages) lead: &'static str,
    pub(in crate::pages) ends: &'static str,
    pub(in crate::pages) by_list: &'static str,
    pub(in crate::pages) submit: &'static str,
    pub(in crate::pages) keep: &'static str,
    pub(in crate::pages) done_heading: &'static str,
    pub(in crate::pages) done: &'static str,
}

/// What an invitation's link shows.
#[derive(Debug)]
pub(in crate::pages) struct InvitationTexts {
    pub(in crate::pages) heading: &'static str,
    pub(in crate::pages) by_person: &'static str,
    pub(in crate::pages) by_nobody: &'static str,
    pub(in crate::pages) role: &'static str,
    pub(in crate::pages) until: &'static str,
    pub(in crate::pages) address: &'static str,
    pub(in crate::pages) log_in: &'static str,
    pub(in crate::pages) how: &'static str,
    pub(in crate::pages) accept: &'static str,
    pub(in crate::pages) other_heading: &'static str,
    pub(in crate::pages) other: &'static str,
    pub(in crate::pages) other_next: &'static str,
    pub(in crate::pages) log_out: &'static str,
    pub(in crate::pages) go_on: &'static str,
    pub(in crate::pages) ended_heading: &'static str,
    pub(in crate::pages) expired: &'static str,
    pub(in crate::pages) withdrawn: &'static str,
    pub(in crate::pages) revoked: &'static str,
    pub(in crate::pages) ask: &'static str,
    pub(in crate::pages) ask_used: &'static str,
}

/// Becoming an organisation of one's own.
#[derive(Debug)]
pub(in crate::pages) struct IndependentTexts {
    pub(in crate::pages) heading: &'static str,
    pub(in crate::pages) lead: &'static str,
    pub(in crate::pages) begins: &'static str,
    pub(in crate::pages) go_along: &'static str,
    pub(in crate::pages) ends: &'static str,
    pub(in crate::pages) told: &'static str,
    pub(in crate::pages) name: &'static str,
    pub(in crate::pages) name_hint: &'static str,
    pub(in crate::pages) records: &'static str,
    pub(in crate::pages) records_hint: &'static str,
    pub(in crate::pages) no_records: &'static str,
    pub(in crate::pages) submit: &'static str,
    pub(in crate::pages) confirm_heading: &'static str,
    pub(in crate::pages) confirm: &'static str,
    pub(in crate::pages) go_over: fn(u32) -> String,
    pub(in crate::pages) confirm_submit: &'static str,
    pub(in crate::pages) change: &'static str,
    pub(in crate::pages) keep: &'static str,
    pub(in crate::pages) done_heading: &'static str,
    pub(in crate::pages) done: &'static str,
    pub(in crate::pages) done_next: &'static str,
    pub(in crate::pages) by_list: &'static str,
    pub(in crate::pages) stale: &'static str,
}

/// The mails from here.
#[derive(Debug)]
pub(in crate::pages) struct TeamMailTexts {
    pub(in crate::pages) invitation_subject: &'static str,
    pub(in crate::pages) reminder_subject: &'static str,
    pub(in crate::pages) hello_name: &'static str,
    pub(in crate::pages) invited: &'static str,
    pub(in crate::pages) invited_by_nobody: &'static str,
    pub(in crate::pages) role: &'static str,
    pub(in crate::pages) open: &'static str,
    pub(in crate::pages) address: &'static str,
    pub(in crate::pages) until: &'static str,
    pub(in crate::pages) ignore: &'static str,
    pub(in crate::pages) founded_subject: &'static str,
    pub(in crate::pages) founded: &'static str,
    pub(in crate::pages) founded_left: &'static str,
    pub(in crate::pages) founded_open: &'static str,
    pub(in crate::pages) along_subject: &'static str,
    pub(in crate::pages) along: &'static str,
    pub(in crate::pages) along_now: &'static str,
    pub(in crate::pages) parted_subject: &'static str,
    pub(in crate::pages) parted: &'static str,
    pub(in crate::pages) parted_over: fn(u32) -> String,
    pub(in crate::pages) parted_ended: &'static str,
}

/// Where the account page leads.
#[derive(Debug)]
pub(in crate::pages) struct DoorTexts {
    pub(in crate::pages) heading: &'static str,
    pub(in crate::pages) team: &'static str,
    pub(in crate::pages) invite: &'static str,
    pub(in crate::pages) independent: &'static str,
    pub(in crate::pages) leave: &'static str,
}

/// How long something still lasts, in the largest unit of which there is one left, as `(days, hours, minutes)`.
enum Left {
    Days(i64),
    Hours(i64),
    Soon,
}

impl Left {
    /// Of so many seconds.
    const fn of(seconds: i64) -> Self {
        const HOUR: i64 = 3600;
        match seconds {
            // To the nearest: of seven days that began a minute ago, seven are left.
            left if left >= 48 * HOUR => Self::Days((left + 12 * HOUR) / (24 * HOUR)),
            left if left >= HOUR => Self::Hours(left / HOUR),
            _ => Self::Soon,
        }
    }
}
