use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { at_work: 4, each_lane: 2, each_namespace: 3, set_aside: 2 };

/// A queue whose clock stands until it is moved, and what it has under way.
struct Scene {
    fair: Fair<&'static str>,
    now: Instant,
    under_way: HashMap<&'static str, Ticket>,
}

impl Scene {
    fn new(limits: Limits) -> Self {
        Self { fair: Fair::new(limits), now: Instant::now(), under_way: HashMap::new() }
    }

    fn push(&mut self, namespace: &str, lane: &str, items: &[&'static str]) {
        items.iter().for_each(|item| self.fair.push(namespace, lane, item));
    }

    /// All that begins now.
    fn begin(&mut self) -> Vec<&'static str> {
        let mut begun = Vec::new();
        while let Some((ticket, item)) = self.fair.next(self.now) {
            self.under_way.insert(item, ticket);
            begun.push(item);
        }
        begun
    }

    fn end(&mut self, item: &str) {
        if let Some(ticket) = self.under_way.remove(item) {
            self.fair.done(&ticket);
        }
    }

    fn lose_patience(&mut self) {
        self.now += PATIENCE;
    }
}

#[test]
fn one_lane_goes_in_order_of_arrival() {
    let mut scene = Scene::new(LIMITS);
    scene.push("n", "a", &["1", "2", "3"]);
    assert_eq!(scene.begin(), ["1", "2"]);
    scene.end("1");
    assert_eq!(scene.begin(), ["3"]);
}

#[test]
fn whoever_comes_after_a_flood_is_next_but_one() {
    let mut scene = Scene::new(Limits { at_work: 1, ..LIMITS });
    scene.push("flood", "a", &["f1", "f2", "f3", "f4", "f5", "f6"]);
    assert_eq!(scene.begin(), ["f1"]);
    scene.push("good", "a", &["good"]);
    scene.end("f1");
    assert_eq!(scene.begin(), ["f2"], "it had its turn already");
    scene.end("f2");
    assert_eq!(scene.begin(), ["good"]);
}

#[test]
fn the_lanes_of_a_namespace_share_its_turns() {
    let mut scene = Scene::new(Limits { at_work: 1, ..LIMITS });
    scene.push("n", "a", &["a1", "a2"]);
    scene.push("n", "b", &["b1"]);
    scene.push("m", "a", &["m1", "m2"]);
    for item in ["a1", "m1", "b1", "m2", "a2"] {
        assert_eq!(scene.begin(), [item]);
        scene.end(item);
    }
}

#[test]
fn a_lane_that_is_full_keeps_no_other_lane_waiting_and_a_namespace_no_other() {
    let mut scene = Scene::new(LIMITS);
    scene.push("n", "a", &["a1", "a2", "a3"]);
    scene.push("n", "b", &["b1", "b2"]);
    assert_eq!(scene.begin(), ["a1", "b1", "a2"], "three of one namespace");
    scene.push("m", "a", &["m1"]);
    assert_eq!(scene.begin(), ["m1"]);
    scene.end("b1");
    assert_eq!(scene.begin(), ["b2"], "two of one lane are under way");
    scene.end("a1");
    assert_eq!(scene.begin(), ["a3"]);
}

#[test]
fn what_is_under_way_for_long_holds_a_place_of_its_lane_and_none_that_others_need() {
    let mut scene = Scene::new(Limits { at_work: 1, ..LIMITS });
    scene.push("n", "a", &["a1", "a2", "a3"]);
    for item in ["a1", "a2"] {
        assert_eq!(scene.begin(), [item]);
        assert_eq!(scene.fair.next_time(), Some(scene.now + PATIENCE));
        scene.lose_patience();
    }
    assert!(scene.begin().is_empty(), "the lane is full");
    scene.push("m", "a", &["m1", "m2"]);
    assert_eq!(scene.begin(), ["m1"]);
    assert_eq!(scene.fair.next_time(), None, "no more may be set aside");
    scene.lose_patience();
    assert!(scene.begin().is_empty());
    scene.end("a1");
    assert_eq!(scene.begin(), ["m2"]);
    scene.end("m2");
    assert_eq!(scene.begin(), ["a3"]);
}

#[test]
fn nothing_is_kept_of_those_that_have_nothing() {
    let mut scene = Scene::new(LIMITS);
    scene.push("n", "a", &["1"]);
    scene.push("m", "a", &["2"]);
    assert_eq!(scene.fair.waiting("n"), (2, 1));
    assert_eq!(scene.begin(), ["1", "2"]);
    assert_eq!(scene.fair.waiting("n"), (0, 0));
    scene.end("1");
    scene.end("2");
    assert!(scene.fair.namespaces.is_empty() && scene.fair.turns.is_empty() && scene.fair.at_work.is_empty());
}

/// What a history of the machine consists of.
#[derive(Clone, Debug)]
enum Move {
    Push(u8, u8),
    Next,
    Wait,
    End(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => (0..3_u8, 0..3_u8).prop_map(|(namespace, lane)| Move::Push(namespace, lane)),
        3 => Just(Move::Next),
        1 => Just(Move::Wait),
        2 => any::<usize>().prop_map(Move::End),
    ];
    prop::collection::vec(one, 0..200)
}

/// What the machine is compared with has under way.
struct Begun {
    lane: (u8, u8),
    began: Instant,
    aside: bool,
    ticket: Ticket,
}

proptest! {
    /// Against lists that are looked through: no limit is passed, nothing that may go stays, each lane keeps its order.
    #[test]
    fn nothing_is_lost_and_no_limit_is_passed(moves in moves()) {
        let (mut fair, mut now) = (Fair::new(LIMITS), Instant::now());
        let mut waiting: Vec<((u8, u8), usize)> = Vec::new();
        let mut under_way: Vec<Begun> = Vec::new();
        for (number, step) in moves.into_iter().enumerate() {
            match step {
                Move::Push(namespace, lane) => {
                    fair.push(&namespace.to_string(), &lane.to_string(), ((namespace, lane), number));
                    waiting.push(((namespace, lane), number));
                }
                Move::Wait => now += PATIENCE,
                Move::Next => {
                    let mut room = LIMITS.set_aside - under_way.iter().filter(|begun| begun.aside).count();
                    for begun in under_way.iter_mut().filter(|begun| !begun.aside && begun.began + PATIENCE <= now) {
                        begun.aside = room > 0;
                        room = room.saturating_sub(1);
                    }
                    let may = |(namespace, lane): (u8, u8)| {
                        let of = under_way.iter().filter(|begun| begun.lane.0 == namespace).count();
                        let within = under_way.iter().filter(|begun| begun.lane == (namespace, lane)).count();
                        of < LIMITS.each_namespace && within < LIMITS.each_lane
                    };
                    let at_work = under_way.iter().filter(|begun| !begun.aside).count();
                    let any = at_work < LIMITS.at_work && waiting.iter().any(|(lane, _)| may(*lane));
                    let next = fair.next(now);
                    prop_assert_eq!(next.is_some(), any);
                    if let Some((ticket, (lane, number))) = next {
                        prop_assert!(may(lane));
                        let first = waiting.iter().position(|(of, _)| *of == lane).unwrap_or_default();
                        prop_assert_eq!(waiting.remove(first), (lane, number));
                        under_way.push(Begun { lane, began: now, aside: false, ticket });
                    }
                }
                Move::End(which) => {
                    if let Some(which) = which.checked_rem(under_way.len()) {
                        fair.done(&under_way.remove(which).ticket);
                    }
                }
            }
            prop_assert_eq!(fair.waiting("0").0, waiting.len());
        }
    }
}
