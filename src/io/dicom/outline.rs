//! The area enclosed by the contours of one plane.
//!
//! Each contour is first split into loops where it returns to one of its own vertices: a keyhole becomes an outline and
//! a hole, and a line traced there and back encloses nothing. Then, for all loops of the plane:
//! - a loop encloses by the even-odd rule; a loop that runs twice along its own track encloses what it goes round;
//! - coincident loops count as one, whatever their direction, first vertex and sampling;
//! - a loop inside another is a hole, inside a hole an island, and so on;
//! - partly overlapping loops form a union;
//! - `CLOSEDPLANAR_XOR`: a point is inside if an odd number of contours contains it; no other rule applies.
//!
//! Everything doubtful is reported as a finding. Areas are exact: the plane is cut into bands without a vertex or a
//! crossing.

use std::collections::{BTreeMap, HashMap};

/// A vertex of one contour this close to the line of another lies on it, mm. Contours of a treatment planning system
/// have at least two decimals; a wall drawn on purpose is thicker.
pub(super) const ON_LINE_MM: f64 = 0.1;
/// Least common share of two coincident loops: coarser sampling cuts off some area.
const COMMON: f64 = 0.8;
/// A common share below this is the width of the line, not an overlap.
const SLIVER: f64 = 0.05;
/// A hole that leaves a rim thinner than this, mm, may be the outline drawn twice.
pub(super) const RIM_MM: f64 = 0.5;
/// Most edge tests per vertex, and the allowance per plane: more is an attack, not contours.
const MAX_WORK: [usize; 2] = [500, 2_000_000];

/// A point of a plane, mm.
pub(super) type Point = [f64; 2];

/// A closed planar contour: its corners, and whether it is of type `CLOSEDPLANAR_XOR`.
#[derive(Clone, Debug)]
pub(super) struct Flat {
    pub(super) corners: Vec<Point>,
    pub(super) xor: bool,
}

/// Findings in a plane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Findings {
    /// Contours that coincide with another, or loops traced twice.
    pub(super) twice: usize,
    /// Area that lies in more than one of partly overlapping contours, mm2.
    pub(super) shared_mm2: f64,
    /// Area that a contour encloses twice, left out, mm2.
    pub(super) crossed_mm2: f64,
    /// Holes that leave a rim thinner than [`RIM_MM`].
    pub(super) rims: usize,
    /// `CLOSEDPLANAR_XOR` contours that coincide with another: they cancel.
    pub(super) cancelled: usize,
}

/// Why a plane cannot be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// More crossings than contours can have.
    Intricate,
    /// Contours of both types coincide or overlap.
    Mixed,
}

/// When a point is inside a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// A line from afar crosses the loop an odd number of times.
    Odd,
    /// The loop goes round the point.
    Turns,
}

/// One straight part of a loop, from its lower to its upper end.
#[derive(Clone, Copy, Debug)]
struct Edge {
    low: Point,
    high: Point,
    owner: usize,
    /// Whether it is drawn upwards.
    up: bool,
}

/// Where a line meets an edge.
#[derive(Clone, Copy, Debug)]
struct Crossing {
    at: f64,
    owner: usize,
    up: bool,
}

/// The inside of all contours of a plane.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    /// By their lower ends.
    edges: Vec<Edge>,
    rules: Vec<Rule>,
    /// How many other loops contain each loop.
    levels: Vec<usize>,
    top: f64,
    /// Area inside, mm2.
    pub(super) area_mm2: f64,
}

/// Edge tests left.
struct Work(usize);

impl Work {
    fn spend(&mut self, looks: usize) -> Result<(), Trouble> {
        self.0 = self.0.checked_sub(looks).ok_or(Trouble::Intricate)?;
        Ok(())
    }
}

impl Outline {
    /// The inside of the contours of one plane, and the findings.
    pub(super) fn of(contours: &[Flat]) -> Result<(Self, Findings), Trouble> {
        let corners: usize = contours.iter().map(|contour| contour.corners.len()).sum();
        let mut work = Work(MAX_WORK[0] * corners + MAX_WORK[1]);
        if !contours.is_empty() && contours.iter().all(|contour| contour.xor) {
            return Self::xor(contours, &mut work);
        }
        let mut findings = Findings::default();
        let mut loops = Vec::new();
        for contour in contours {
            for corners in loops_of(&contour.corners) {
                if let Some(one) = Loop::new(corners, &mut findings, &mut work)? {
                    loops.push(one);
                }
            }
        }
        if let [only] = loops.as_slice() {
            let outline = Self::sorted(edges_of(&only.corners, 0).collect(), vec![only.rule], vec![0], only.area_mm2);
            return Ok((outline, findings));
        }
        let pairs = common_areas(&loops, &mut work)?;
        let kept = without_doubles(&loops, &pairs, &mut work)?;
        findings.twice += loops.len() - kept.len();
        let levels = levels(&loops, &kept, &pairs, &mut findings);
        if contours.iter().any(|contour| contour.xor) && (findings.twice > 0 || findings.shared_mm2 > 0.0) {
            return Err(Trouble::Mixed);
        }
        let edges = kept.iter().enumerate().flat_map(|(owner, &n)| edges_of(&loops[n].corners, owner)).collect();
        let rules = kept.iter().map(|&n| loops[n].rule).collect();
        Ok((Self::new(edges, rules, levels, &mut work)?, findings))
    }

    /// Contours of type `CLOSEDPLANAR_XOR`.
    fn xor(contours: &[Flat], work: &mut Work) -> Result<(Self, Findings), Trouble> {
        let mut findings = Findings::default();
        let mut loops = Vec::new();
        for contour in contours {
            loops.extend(Loop::new(contour.corners.clone(), &mut Findings::default(), work)?);
        }
        let pairs = common_areas(&loops, work)?;
        findings.cancelled = loops.len() - without_doubles(&loops, &pairs, work)?.len();
        let edges = contours.iter().flat_map(|contour| edges_of(&contour.corners, 0)).collect();
        Ok((Self::new(edges, vec![Rule::Odd], vec![0], work)?, findings))
    }

    fn sorted(mut edges: Vec<Edge>, rules: Vec<Rule>, levels: Vec<usize>, area_mm2: f64) -> Self {
        edges.sort_by(|a, b| a.low[1].total_cmp(&b.low[1]));
        let top = edges.iter().map(|edge| edge.high[1]).fold(f64::NEG_INFINITY, f64::max);
        Self { edges, rules, levels, top, area_mm2 }
    }

    fn new(edges: Vec<Edge>, rules: Vec<Rule>, levels: Vec<usize>, work: &mut Work) -> Result<Self, Trouble> {
        let mut outline = Self::sorted(edges, rules, levels, 0.0);
        let mut spans = Vec::new();
        let mut area_mm2 = 0.0;
        let mut standing = Standing::new(&outline.rules);
        bands(&outline.edges, work, |crossings, height| {
            outline.spans_of(crossings, &mut standing, &mut spans);
            area_mm2 += height * spans.chunks_exact(2).map(|ends| ends[1] - ends[0]).sum::<f64>();
            crossings.len()
        })?;
        outline.area_mm2 = area_mm2;
        Ok(outline)
    }

    /// Where the line at height `v` is inside: half-open intervals, the first end included.
    pub(super) fn spans(&self, v: f64, out: &mut Vec<f64>) {
        out.clear();
        if v >= self.top {
            return;
        }
        let below = self.edges.partition_point(|edge| edge.low[1] <= v);
        let mut crossings: Vec<Crossing> = self.edges[..below].iter().filter_map(|edge| edge.crossing(v)).collect();
        crossings.sort_by(|a, b| a.at.total_cmp(&b.at));
        self.spans_of(&crossings, &mut Standing::new(&self.rules), out);
    }

    /// The deepest level that holds a point decides: even is inside, odd a hole.
    fn spans_of(&self, crossings: &[Crossing], standing: &mut Standing<'_>, out: &mut Vec<f64>) {
        out.clear();
        let mut holding = vec![0usize; self.levels.iter().copied().max().map_or(0, |most| most + 1)];
        let mut filled = false;
        for crossing in crossings {
            match standing.cross(crossing) {
                Some(true) => holding[self.levels[crossing.owner]] += 1,
                Some(false) => holding[self.levels[crossing.owner]] -= 1,
                None => continue,
            }
            let now = holding.iter().rposition(|count| *count > 0).is_some_and(|level| level % 2 == 0);
            if now != filled {
                out.push(crossing.at);
                filled = now;
            }
        }
    }

    /// The same in other axes of the plane.
    pub(super) fn turned(&self, turn: impl Fn(Point) -> Point) -> Self {
        let edges = self
            .edges
            .iter()
            .map(|edge| {
                let (from, to) = if edge.up { (edge.low, edge.high) } else { (edge.high, edge.low) };
                Edge::between(turn(from), turn(to), edge.owner)
            })
            .collect();
        Self::sorted(edges, self.rules.clone(), self.levels.clone(), self.area_mm2)
    }
}

impl Edge {
    fn between(from: Point, to: Point, owner: usize) -> Self {
        let up = from[1] <= to[1];
        let (low, high) = if up { (from, to) } else { (to, from) };
        Self { low, high, owner, up }
    }

    /// Place on the edge at a height. The same for both directions of drawing.
    fn at(&self, v: f64) -> f64 {
        if v == self.high[1] {
            return self.high[0];
        }
        self.low[0] + (v - self.low[1]) / (self.high[1] - self.low[1]) * (self.high[0] - self.low[0])
    }

    /// An edge includes its lower end and not its upper one, so a vertex counts once.
    fn crossing(&self, v: f64) -> Option<Crossing> {
        (self.low[1] <= v && v < self.high[1]).then(|| Crossing { at: self.at(v), owner: self.owner, up: self.up })
    }
}

/// Edges of a closed line.
fn edges_of(corners: &[Point], owner: usize) -> impl Iterator<Item = Edge> {
    let ends = corners.iter().zip(corners.iter().cycle().skip(1));
    ends.map(move |(from, to)| Edge::between(*from, *to, owner))
}

/// Which loops contain the current point on a scan along a line: none before the first crossing, none after the last.
struct Standing<'a> {
    rules: &'a [Rule],
    odd: Vec<bool>,
    turns: Vec<i32>,
}

impl<'a> Standing<'a> {
    fn new(rules: &'a [Rule]) -> Self {
        Self { rules, odd: vec![false; rules.len()], turns: vec![0; rules.len()] }
    }

    fn inside(&self, n: usize) -> bool {
        match self.rules[n] {
            Rule::Odd => self.odd[n],
            Rule::Turns => self.turns[n] != 0,
        }
    }

    /// Crosses an edge. Returns whether the point is now inside its loop, if that changed.
    fn cross(&mut self, crossing: &Crossing) -> Option<bool> {
        let n = crossing.owner;
        let before = self.inside(n);
        self.odd[n] = !self.odd[n];
        self.turns[n] += if crossing.up { 1 } else { -1 };
        let now = self.inside(n);
        (now != before).then_some(now)
    }
}

/// An edge with its places at both ends of a band.
struct Part<'a> {
    edge: &'a Edge,
    ends: [f64; 2],
}

/// Cuts the plane into bands without a corner or a crossing inside and calls `f` with what the middle line of each
/// crosses, from left to right, and the band's height, mm: widths there are the mean ones. `f` gives its looks.
fn bands(edges: &[Edge], work: &mut Work, mut f: impl FnMut(&[Crossing], f64) -> usize) -> Result<(), Trouble> {
    let mut sorted: Vec<&Edge> = edges.iter().filter(|edge| edge.low[1] < edge.high[1]).collect();
    sorted.sort_by(|a, b| a.low[1].total_cmp(&b.low[1]));
    let mut heights: Vec<f64> = sorted.iter().flat_map(|edge| [edge.low[1], edge.high[1]]).collect();
    heights.sort_by(f64::total_cmp);
    heights.dedup();
    let mut coming = sorted.into_iter().peekable();
    let mut active: Vec<Part<'_>> = Vec::new();
    let (mut crossings, mut cuts) = (Vec::new(), Vec::new());
    for pair in heights.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        active.retain(|part| part.edge.high[1] > from);
        while let Some(edge) = coming.next_if(|edge| edge.low[1] <= from) {
            active.push(Part { edge, ends: [0.0; 2] });
        }
        work.spend(active.len())?;
        for part in &mut active {
            part.ends = [part.edge.at(from), part.edge.at(to)];
        }
        // The order hardly changes from band to band, so sorting takes one comparison each.
        active.sort_by(|a, b| a.ends[0].total_cmp(&b.ends[0]).then(a.ends[1].total_cmp(&b.ends[1])));
        cuts.clear();
        cuts.extend([from, to]);
        crossing_heights(&active, [from, to], &mut cuts, work)?;
        for pair in cuts.windows(2) {
            let middle = 0.5 * (pair[0] + pair[1]);
            crossings.clear();
            crossings.extend(active.iter().map(|part| Crossing {
                at: part.edge.at(middle),
                owner: part.edge.owner,
                up: part.edge.up,
            }));
            crossings.sort_by(|a: &Crossing, b| a.at.total_cmp(&b.at));
            let looks = f(&crossings, pair[1] - pair[0]);
            work.spend(looks)?;
        }
    }
    Ok(())
}

/// Adds the heights at which edges cross between two heights.
fn crossing_heights(
    active: &[Part<'_>],
    [from, to]: [f64; 2],
    cuts: &mut Vec<f64>,
    work: &mut Work,
) -> Result<(), Trouble> {
    if active.is_sorted_by(|a, b| a.ends[1] <= b.ends[1]) {
        return Ok(());
    }
    work.spend(active.len() * active.len())?;
    for (n, a) in active.iter().enumerate() {
        for b in active[n + 1..].iter().filter(|b| a.ends[1] > b.ends[1]) {
            let (before, after) = (b.ends[0] - a.ends[0], a.ends[1] - b.ends[1]);
            cuts.push(from + before / (before + after) * (to - from));
        }
    }
    cuts.sort_by(f64::total_cmp);
    cuts.dedup();
    Ok(())
}

/// Splits a contour where it returns to one of its vertices. Parts that enclose nothing are dropped.
fn loops_of(contour: &[Point]) -> Vec<Vec<Point>> {
    let key = |p: &Point| p.map(|v| (v + 0.0).to_bits());
    let mut loops = Vec::new();
    let mut open: Vec<Point> = Vec::new();
    let mut place: HashMap<[u64; 2], usize> = HashMap::new();
    for point in contour {
        let Some(&n) = place.get(&key(point)) else {
            place.insert(key(point), open.len());
            open.push(*point);
            continue;
        };
        let closed: Vec<Point> = std::iter::once(*point).chain(open.drain(n + 1..)).collect();
        for gone in &closed[1..] {
            place.remove(&key(gone));
        }
        loops.push(closed);
    }
    loops.push(open);
    loops.retain(|corners| corners.len() >= 3);
    loops
}

/// A closed line with its measures.
struct Loop {
    corners: Vec<Point>,
    rule: Rule,
    area_mm2: f64,
    length_mm: f64,
}

impl Loop {
    /// `None` if nothing is enclosed.
    fn new(corners: Vec<Point>, findings: &mut Findings, work: &mut Work) -> Result<Option<Self>, Trouble> {
        let edges: Vec<Edge> = edges_of(&corners, 0).collect();
        let length_mm = edges.iter().map(|e| (e.high[0] - e.low[0]).hypot(e.high[1] - e.low[1])).sum();
        let [mut odd, mut round] = [0.0; 2];
        bands(&edges, work, |crossings, height| {
            let (mut is_odd, mut turns) = (0i32, 0i32);
            for pair in crossings.windows(2) {
                is_odd ^= 1;
                turns += if pair[0].up { 1 } else { -1 };
                let area = height * (pair[1].at - pair[0].at);
                odd += area * f64::from(is_odd);
                round += area * f64::from(i32::from(turns != 0));
            }
            crossings.len()
        })?;
        let mut own = Self { corners, rule: Rule::Odd, area_mm2: odd, length_mm };
        // The area left between two turns on one track is as wide as the line.
        if round - odd > own.sliver_mm2() && odd <= (0.5 * ON_LINE_MM * length_mm).min((1.0 - COMMON) * round) {
            own.rule = Rule::Turns;
            own.area_mm2 = round;
            findings.twice += 1;
        } else if round - odd > (0.5 * ON_LINE_MM * length_mm).min(SLIVER * round) {
            findings.crossed_mm2 += round - odd;
        }
        Ok((own.area_mm2 > 0.0).then_some(own))
    }

    /// Area of the line itself; two loops with less in common do not overlap.
    fn sliver_mm2(&self) -> f64 {
        (ON_LINE_MM * self.length_mm).min(SLIVER * self.area_mm2)
    }
}

/// Area that each pair of loops has in common, mm2; pairs in order, without those that have none.
fn common_areas(loops: &[Loop], work: &mut Work) -> Result<BTreeMap<(usize, usize), f64>, Trouble> {
    let mut common = BTreeMap::new();
    if loops.len() < 2 {
        return Ok(common);
    }
    let edges: Vec<Edge> = loops.iter().enumerate().flat_map(|(n, one)| edges_of(&one.corners, n)).collect();
    let rules: Vec<Rule> = loops.iter().map(|one| one.rule).collect();
    let mut standing = Standing::new(&rules);
    let mut inside: Vec<usize> = Vec::new();
    bands(&edges, work, |crossings, height| {
        let mut looks = 0;
        for (n, crossing) in crossings.iter().enumerate() {
            match standing.cross(crossing) {
                Some(true) => inside.push(crossing.owner),
                Some(false) => inside.retain(|n| *n != crossing.owner),
                None => {}
            }
            let Some(next) = crossings.get(n + 1) else { break };
            looks += inside.len() * inside.len();
            for (n, &a) in inside.iter().enumerate() {
                for &b in &inside[n + 1..] {
                    *common.entry((a.min(b), a.max(b))).or_default() += height * (next.at - crossing.at);
                }
            }
        }
        looks
    })?;
    Ok(common)
}

/// The loops without duplicates: of coincident ones the first is kept.
fn without_doubles(
    loops: &[Loop],
    pairs: &BTreeMap<(usize, usize), f64>,
    work: &mut Work,
) -> Result<Vec<usize>, Trouble> {
    let mut double = vec![false; loops.len()];
    for (&(a, b), &common) in pairs {
        if double[a] || double[b] || common < COMMON * loops[a].area_mm2.max(loops[b].area_mm2) {
            continue;
        }
        double[b] = on_line(&loops[a], &loops[b], work)? || on_line(&loops[b], &loops[a], work)?;
    }
    Ok((0..loops.len()).filter(|&n| !double[n]).collect())
}

/// Whether all corners of one loop lie on the line of another.
fn on_line(one: &Loop, line: &Loop, work: &mut Work) -> Result<bool, Trouble> {
    let edges: Vec<Edge> = edges_of(&line.corners, 0).collect();
    let low = edges.iter().map(|e| e.low[1]).fold(f64::INFINITY, f64::min) - ON_LINE_MM;
    let high = edges.iter().map(|e| e.high[1]).fold(f64::NEG_INFINITY, f64::max) + ON_LINE_MM;
    // Number of bins such that each edge falls in about two.
    let risen: f64 = edges.iter().map(|e| e.high[1] - e.low[1] + 2.0 * ON_LINE_MM).sum();
    let shelves = ((edges.len() as f64 * (high - low) / risen) as usize).clamp(1, edges.len());
    let shelf = |v: f64| (((v - low) / (high - low) * shelves as f64) as usize).min(shelves - 1);
    let mut store: Vec<Vec<&Edge>> = vec![Vec::new(); shelves];
    for edge in &edges {
        for list in &mut store[shelf(edge.low[1] - ON_LINE_MM)..=shelf(edge.high[1] + ON_LINE_MM)] {
            list.push(edge);
        }
    }
    for &corner in &one.corners {
        if !(low..=high).contains(&corner[1]) {
            return Ok(false);
        }
        let list = &store[shelf(corner[1])];
        work.spend(list.len())?;
        if !list.iter().any(|edge| distance_mm(corner, edge) <= ON_LINE_MM) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn distance_mm(point: Point, edge: &Edge) -> f64 {
    let along = [edge.high[0] - edge.low[0], edge.high[1] - edge.low[1]];
    let to = [point[0] - edge.low[0], point[1] - edge.low[1]];
    let length2 = along[0] * along[0] + along[1] * along[1];
    let t = if length2 > 0.0 { ((to[0] * along[0] + to[1] * along[1]) / length2).clamp(0.0, 1.0) } else { 0.0 };
    (to[0] - t * along[0]).hypot(to[1] - t * along[1])
}

/// How many other loops contain each kept loop. Partly overlapping loops share a level.
fn levels(
    loops: &[Loop],
    kept: &[usize],
    pairs: &BTreeMap<(usize, usize), f64>,
    findings: &mut Findings,
) -> Vec<usize> {
    let place: BTreeMap<usize, usize> = kept.iter().enumerate().map(|(k, &n)| (n, k)).collect();
    let mut group: Vec<usize> = (0..kept.len()).collect();
    // (inner, outer)
    let mut nested = Vec::new();
    for (&(a, b), &common) in pairs {
        let (Some(&ka), Some(&kb)) = (place.get(&a), place.get(&b)) else { continue };
        let (inner, outer, inner_k, outer_k) =
            if loops[b].area_mm2 <= loops[a].area_mm2 { (b, a, kb, ka) } else { (a, b, ka, kb) };
        let (inner, outer) = (&loops[inner], &loops[outer]);
        if inner.area_mm2 - common <= inner.sliver_mm2() {
            nested.push((inner_k, outer_k));
            let rim_mm = 2.0 * (outer.area_mm2 - inner.area_mm2) / (outer.length_mm + inner.length_mm);
            findings.rims += usize::from(inner.area_mm2 >= COMMON * outer.area_mm2 && rim_mm < RIM_MM);
        } else if common > inner.sliver_mm2() {
            findings.shared_mm2 += common;
            let (one, other) = (group[ka], group[kb]);
            if one != other {
                group.iter_mut().filter(|g| **g == other).for_each(|g| *g = one);
            }
        }
    }
    let mut size: BTreeMap<usize, f64> = BTreeMap::new();
    for (k, g) in group.iter().enumerate() {
        let largest = size.entry(*g).or_default();
        *largest = largest.max(loops[kept[k]].area_mm2);
    }
    let mut outer_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (inner, outer) in nested.into_iter().filter(|(inner, outer)| group[*inner] != group[*outer]) {
        outer_of.entry(group[inner]).or_default().push(group[outer]);
    }
    let mut order: Vec<(usize, f64)> = size.into_iter().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut level: BTreeMap<usize, usize> = BTreeMap::new();
    for (g, _) in order {
        let deepest = outer_of.get(&g).into_iter().flatten().filter_map(|outer| level.get(outer)).max();
        let own = deepest.map_or(0, |deepest| deepest + 1);
        level.insert(g, own);
    }
    group.iter().map(|g| level[g]).collect()
}
