//! The schedule under a clock that the tests turn: days pass in no time, and every order is counted.

use super::*;

const START: i64 = 1_800_000_000;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).expect("a time")
}

fn name(text: &str) -> CertificateName {
    CertificateName::parse(text).expect("a name")
}

/// A certificate of ninety days, renewed after sixty.
fn times(from: Timestamp) -> Times {
    let days = |days: i32| later(from, SignedDuration::from_hours(24) * days);
    Times { not_before: from, not_after: days(90), renew_at: days(60), ask_again: days(59) }
}

fn trouble(problem: &'static str) -> Trouble {
    Trouble::refused(problem, format!("about {problem}"))
}

/// A world in which jobs end at once.
struct World<L, O> {
    schedule: Schedule,
    now: Timestamp,
    look: L,
    order: O,
    orders: Vec<(Timestamp, CertificateName)>,
    looks: usize,
}

impl<L, O> World<L, O>
where
    L: FnMut(&CertificateName, Timestamp) -> Option<Trouble>,
    O: FnMut(&CertificateName, Timestamp) -> Outcome,
{
    fn new(budget: Budget, look: L, order: O) -> Self {
        Self { schedule: Schedule::new(budget), now: at(0), look, order, orders: Vec::new(), looks: 0 }
    }

    fn add(&mut self, text: &str) {
        self.schedule.add(name(text), None, None, self.now);
    }

    fn do_all(&mut self) {
        while let Some(job) = self.schedule.next(self.now) {
            match job.task {
                Task::Look => {
                    self.looks += 1;
                    let found = (self.look)(&job.name, self.now);
                    self.schedule.looked(&job, found, self.now);
                }
                Task::Order => {
                    self.orders.push((self.now, job.name.clone()));
                    let outcome = (self.order)(&job.name, self.now);
                    self.schedule.ordered(&job, outcome, self.now);
                }
                Task::Ask => self.schedule.asked(&job, None, self.now),
            }
        }
    }

    fn run_until(&mut self, end: Timestamp) {
        loop {
            self.do_all();
            match self.schedule.wakes_at(self.now) {
                Some(next) if next <= end => {
                    assert!(next > self.now, "nothing is to be done now, and yet it wakes now");
                    self.now = next;
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn phase(&self, text: &str) -> Phase {
        self.schedule.progress(&name(text)).expect("a name of ours").0.phase
    }

    /// The most orders in any hour, of those that fit.
    fn most_in_an_hour(&self, fits: impl Fn(&CertificateName) -> bool) -> usize {
        let times: Vec<_> = self.orders.iter().filter(|(_, name)| fits(name)).map(|(at, _)| *at).collect();
        let hour = SignedDuration::from_hours(1);
        let in_hour = |from: &Timestamp| times.iter().filter(|at| *at >= from && **at < later(*from, hour)).count();
        times.iter().map(in_hour).max().unwrap_or_default()
    }
}

fn is_bad(name: &CertificateName) -> bool {
    name.to_string().starts_with("bad")
}

fn good_or_refused(name: &CertificateName, now: Timestamp) -> Outcome {
    match is_bad(name) {
        true => Outcome::Refused { trouble: trouble("refused"), retry_after: None },
        false => Outcome::Issued(times(now)),
    }
}

#[test]
fn ten_thousand_names_that_fail_leave_the_authority_its_limits_and_a_good_name_its_turn() {
    let mut world = World::new(Budget::new(80, Some(40)), |_, _| None, good_or_refused);
    for number in 0..10_000 {
        world.add(&format!("bad.n{number}.test"));
    }
    world.run_until(at(2 * DAY));
    assert!(world.most_in_an_hour(|_| true) <= 80);
    let before = world.orders.len();
    assert!(before <= 80 * 49 && before > 70 * 48, "{before}");
    // All were ordered for the first time before it, and still it comes on: nobody takes the whole hour for what failed.
    world.run_until(at(10 * DAY));
    world.orders.clear();
    world.add("good.test");
    let asked = world.now;
    world.run_until(later(asked, SignedDuration::from_hours(2)));
    assert_eq!(world.phase("good.test"), Phase::Issued);
    assert!(world.most_in_an_hour(|_| true) <= 80);
    assert!(world.most_in_an_hour(is_bad) <= 20, "a quarter at most is for names that failed before");
}

#[test]
fn names_that_never_pass_the_look_cost_the_authority_nothing() {
    let missing = |name: &CertificateName, _| is_bad(name).then(|| trouble("does-not-resolve"));
    let mut world = World::new(Budget::new(80, None), missing, good_or_refused);
    for number in 0..10_000 {
        world.add(&format!("bad{number}.test"));
    }
    for number in 0..40 {
        world.add(&format!("good{number}.test"));
    }
    world.run_until(at(HOUR));
    assert_eq!(world.orders.len(), 40);
    assert_eq!(world.phase("bad1.test"), Phase::Missing);
    let in_the_first_hour = world.looks;
    world.run_until(at(3 * DAY));
    let a_day_before = world.looks;
    world.run_until(at(4 * DAY));
    assert!(in_the_first_hour <= 7 * 10_000 + 40, "{in_the_first_hour}");
    assert!(world.looks - a_day_before <= 5 * 10_000, "four looks a day, and no more");
    assert_eq!(world.orders.len(), 40);
}

#[test]
fn a_name_that_is_mended_gets_its_certificate_soon_and_at_once_when_somebody_presses() {
    let mended = at(20 * 60);
    let look = move |_: &CertificateName, now: Timestamp| (now < mended).then(|| trouble("elsewhere"));
    let mut world = World::new(Budget::new(80, None), look, good_or_refused);
    world.add("a.test");
    world.run_until(mended);
    let (progress, _) = world.schedule.progress(&name("a.test")).expect("ours");
    assert_eq!((progress.phase, progress.problem.as_deref()), (Phase::Missing, Some("elsewhere")));
    let next = progress.next_try.expect("a next look");
    assert!(next > mended && next <= at(48 * 60), "{next}");
    assert!(world.schedule.press(&name("a.test"), mended));
    world.do_all();
    assert_eq!(world.phase("a.test"), Phase::Issued);
    assert!(!world.schedule.press(&name("b.test"), mended), "that is none of ours");
    assert!(world.schedule.press(&name("a.test"), world.now), "what stands is not renewed for the asking");
    world.do_all();
    assert_eq!(world.orders.len(), 1);
}

#[test]
fn however_often_somebody_presses_a_name_is_ordered_for_four_times_an_hour_at_most() {
    let mut world = World::new(Budget::new(80, None), |_, _| None, good_or_refused);
    world.add("bad.test");
    for second in 0..2 * HOUR {
        world.now = at(second);
        world.schedule.press(&name("bad.test"), world.now);
        world.do_all();
    }
    assert!(world.most_in_an_hour(|_| true) <= 4);
    assert!(world.orders.len() >= 4);
    assert!(world.looks <= 2 * 720 + 2, "presses are looked at with a distance: {}", world.looks);
}

#[test]
fn an_authority_that_is_down_pauses_all_orders_and_is_probed_by_one_at_a_time() {
    let back = at(3 * HOUR);
    let order = move |_: &CertificateName, now: Timestamp| match now < back {
        true => Outcome::Unavailable { cause: "connection refused".to_owned(), retry_after: None },
        false => Outcome::Issued(times(now)),
    };
    let mut world = World::new(Budget::new(1000, None), |_, _| None, order);
    for number in 0..200 {
        world.add(&format!("n{number}.test"));
    }
    world.run_until(at(3 * HOUR - 1));
    assert!(world.orders.len() <= 9, "{} orders to an authority that is down", world.orders.len());
    assert_ne!(*world.schedule.authority(), Authority::Up);
    assert!(
        world.schedule.names().all(|name| world.schedule.progress(name).expect("ours").0.failures == 0),
        "it is nobody's fault"
    );
    world.run_until(at(5 * HOUR));
    assert_eq!(*world.schedule.authority(), Authority::Up);
    assert_eq!(world.schedule.names().filter(|name| world.phase(&name.to_string()) == Phase::Issued).count(), 200);
}

#[test]
fn orders_that_ran_when_the_authority_went_down_count_once() {
    let mut schedule = Schedule::new(Budget::new(80, None));
    for number in 0..20 {
        schedule.add(name(&format!("n{number}.test")), None, None, at(0));
    }
    let mut orders = Vec::new();
    while let Some(job) = schedule.next(at(0)) {
        match job.task {
            Task::Look => schedule.looked(&job, None, at(0)),
            _ => orders.push(job),
        }
    }
    assert_eq!(orders.len(), 8, "so many run at a time");
    let down = Outcome::Unavailable { cause: "503".to_owned(), retry_after: Some(at(120)) };
    for job in &orders {
        schedule.ordered(job, down.clone(), at(1));
    }
    assert!(matches!(schedule.authority(), Authority::Down { failures: 1, until, .. } if *until == at(120)));
    assert_eq!(schedule.next(at(119)), None);
    let probe = schedule.next(at(120)).expect("a probe");
    assert_eq!(probe.task, Task::Order);
    assert_eq!(schedule.next(at(120)), None, "one at a time");
    schedule.ordered(&probe, Outcome::Issued(times(at(121))), at(121));
    assert!(schedule.next(at(121)).is_some());
}

#[test]
fn what_the_authority_puts_off_waits_as_long_as_it_says_and_several_stand_for_all() {
    let limited = |_: &CertificateName, now: Timestamp| Outcome::Limited {
        trouble: trouble("rate-limited"),
        retry_after: Some(later(now, SignedDuration::from_hours(30))),
    };
    let mut world = World::new(Budget::new(1000, None), |_, _| None, limited);
    for number in 0..100 {
        world.add(&format!("n{number}.test"));
    }
    world.run_until(at(30 * HOUR - 1));
    assert_eq!(world.orders.len(), 3);
}

#[test]
fn urgent_renewals_come_before_new_names_and_those_before_other_renewals() {
    let mut schedule = Schedule::new(Budget::new(80, None));
    let old = |days: i64| Some(times(at(-days * DAY)));
    schedule.add(name("calm.test"), None, old(61), at(0));
    schedule.add(name("new.test"), None, None, at(0));
    schedule.add(name("urgent.test"), None, old(80), at(0));
    let mut looks = Vec::new();
    let mut orders = Vec::new();
    while let Some(job) = schedule.next(at(0)) {
        match job.task {
            Task::Look => looks.push(job),
            _ => unreachable!("nothing was looked at yet"),
        }
    }
    for job in &looks {
        schedule.looked(job, None, at(0));
    }
    while let Some(job) = schedule.next(at(0)) {
        orders.push(job.name.to_string());
    }
    assert_eq!(orders, ["urgent.test", "new.test", "calm.test"]);
    assert_eq!(schedule.progress(&name("calm.test")).expect("ours").0.phase, Phase::Renewing);
}

#[test]
fn a_certificate_is_renewed_in_time_and_one_that_cannot_be_goes_on_serving_as_failing() {
    let mut world = World::new(Budget::new(80, None), |_, _| None, {
        move |_: &CertificateName, now: Timestamp| match now < at(30 * DAY) {
            true => Outcome::Issued(times(now)),
            false => Outcome::Refused { trouble: trouble("refused"), retry_after: None },
        }
    });
    world.add("a.test");
    world.run_until(at(59 * DAY));
    assert_eq!((world.orders.len(), world.phase("a.test")), (1, Phase::Issued));
    world.run_until(at(61 * DAY));
    assert_eq!(world.phase("a.test"), Phase::Failing);
    let tries = world.orders.len();
    world.run_until(at(89 * DAY));
    assert!(world.orders.len() - tries >= 20, "once a day at least while it still serves: {}", world.orders.len());
    world.run_until(at(92 * DAY));
    assert_eq!(world.phase("a.test"), Phase::BackingOff, "what has ended does not serve");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut world = World::new(Budget::new(80, None), |_, _| None, good_or_refused);
    world.add("bad.test");
    world.add("good.test");
    world.run_until(at(HOUR));
    let changes = world.schedule.take_changes();
    assert_eq!(changes.len(), 2);
    assert!(world.schedule.take_changes().is_empty());
    let mut again = World::new(Budget::new(80, None), |_, _| None, good_or_refused);
    again.now = at(HOUR);
    for (name, progress) in changes {
        let times = (progress.phase == Phase::Issued).then(|| times(at(0)));
        again.schedule.add(name, Some(progress), times, at(HOUR));
    }
    let told = |world: &Schedule| world.progress(&name("bad.test")).expect("ours").0;
    assert_eq!(told(&again.schedule), told(&world.schedule));
    assert_eq!(told(&again.schedule).failures, 4);
    again.do_all();
    assert!(again.orders.is_empty() && again.looks == 0, "back-off included");
    again.run_until(told(&world.schedule).next_try.expect("a next try"));
    again.do_all();
    assert_eq!(again.orders.len(), 1);
}

#[test]
fn what_was_noted_before_a_crash_yields_to_the_certificate_that_is_there() {
    let mut schedule = Schedule::new(Budget::new(80, None));
    let noted = Progress {
        phase: Phase::BackingOff,
        problem: Some("refused".to_owned()),
        sentence: Some("no".to_owned()),
        since: at(-HOUR),
        failures: 3,
        next_try: Some(at(HOUR)),
    };
    schedule.add(name("a.test"), Some(noted.clone()), Some(times(at(-60))), at(0));
    let (progress, _) = schedule.progress(&name("a.test")).expect("ours");
    assert_eq!((progress.phase, progress.failures, progress.problem), (Phase::Issued, 0, None));
    schedule.add(name("lost.test"), Some(Progress { phase: Phase::Issued, ..noted }), None, at(0));
    assert_eq!(schedule.progress(&name("lost.test")).expect("ours").0.phase, Phase::Pending);
}

#[test]
fn a_name_that_left_is_forgotten_with_its_jobs() {
    let mut schedule = Schedule::new(Budget::new(80, None));
    schedule.add(name("a.test"), None, None, at(0));
    let job = schedule.next(at(0)).expect("a look");
    schedule.remove(&name("a.test"));
    schedule.looked(&job, Some(trouble("elsewhere")), at(1));
    assert!(!schedule.has(&name("a.test")) && schedule.take_changes().is_empty());
    schedule.add(name("a.test"), None, None, at(1));
    schedule.looked(&job, Some(trouble("elsewhere")), at(1));
    assert_eq!(schedule.progress(&name("a.test")).expect("ours").0.phase, Phase::Pending, "an old job counts no more");
    assert_eq!(schedule.next(at(1)).expect("a look").task, Task::Look);
    assert_eq!(schedule.looking, 1);
}

#[test]
fn a_parent_with_many_names_gets_them_over_the_weeks() {
    let mut world = World::new(Budget::new(1000, Some(40)), |_, _| None, good_or_refused);
    for number in 0..100 {
        world.add(&format!("n{number}.shop.test"));
    }
    world.add("other.test");
    world.run_until(at(HOUR));
    assert_eq!(world.orders.len(), 41);
    let waiting = world.schedule.names().find(|name| world.phase(&name.to_string()) == Phase::Pending).cloned();
    let (progress, _) = world.schedule.progress(&waiting.expect("one that waits")).expect("ours");
    assert_eq!(progress.problem.as_deref(), Some("parent-full"));
    world.run_until(at(15 * DAY));
    assert_eq!(world.orders.len(), 101);
}

#[test]
fn a_long_line_keeps_its_order_and_is_looked_at_again_before_the_authority_is_asked() {
    let spoiled = at(2 * HOUR);
    let look = move |name: &CertificateName, now: Timestamp| {
        (now >= spoiled && name.to_string() == "n199.test").then(|| trouble("elsewhere"))
    };
    let mut world = World::new(Budget::new(80, None), look, good_or_refused);
    for number in 0..200 {
        world.now = at(number);
        world.add(&format!("n{number}.test"));
        world.do_all();
    }
    world.run_until(at(5 * HOUR));
    assert_eq!(world.orders.len(), 199);
    assert_eq!(world.phase("n199.test"), Phase::Missing);
    let first_hour: Vec<_> = world.orders.iter().take(80).map(|(_, name)| name.to_string()).collect();
    assert!(first_hour.iter().all(|name| name.len() <= 8 && name[1..name.len() - 5].parse::<u32>().expect("n") < 80));
}
