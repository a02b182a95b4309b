//! What each host has: the sum of its services and destinations, and of those that were too many to keep.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use super::crew::Crew;
use super::groups::{GROUPS_KEPT, Groups, INTERVALS_MIN, INTERVALS_TOTAL};
use super::outline::Outline;
use super::pile::Pile;
use crate::base::Endpoint;
use crate::connection::State;

/// Hosts that are counted before they are looked at, where that is shared.
const AHEAD: usize = 32;
/// Hosts that are shown, those with most sockets.
const HOSTS_MAX: usize = 2 * GROUPS_KEPT;

/// Piles by host. A pile is counted when it is asked for.
#[derive(Clone, Debug)]
pub struct Sums {
    /// By host.
    sums: Vec<Sum>,
    /// Sockets of services and destinations that were let go.
    rest: Groups<IpAddr>,
    services: Arc<Groups<Endpoint>>,
    destinations: Arc<Groups<(IpAddr, Endpoint)>>,
    /// Intervals of one host.
    intervals_max: usize,
    let_go: u64,
    crew: Crew,
}

#[derive(Clone, Debug)]
struct Sum {
    host: IpAddr,
    outline: Outline,
    pile: OnceLock<Box<Pile>>,
}

impl Sums {
    /// Adds up these, where the intervals of one host are `intervals_max` at most.
    pub(super) fn of(
        mut rest: Groups<IpAddr>,
        services: &Arc<Groups<Endpoint>>,
        destinations: &Arc<Groups<(IpAddr, Endpoint)>>,
        intervals_max: usize,
        crew: Crew,
    ) -> Self {
        let all = rest.outlines().map(|(host, outline)| (host, *outline));
        let all = all.chain(services.outlines().map(|(service, outline)| (service.ip, *outline)));
        let mut all: Vec<(IpAddr, Outline)> =
            all.chain(destinations.outlines().map(|((host, _), outline)| (host, *outline))).collect();
        // Three parts that are in order already.
        all.sort_by_key(|&(host, _)| host);
        let mut sums: Vec<Sum> = Vec::with_capacity(all.len());
        for (host, outline) in all {
            match sums.last_mut() {
                Some(sum) if sum.host == host => sum.outline += outline,
                _ => sums.push(Sum { host, outline, pile: OnceLock::new() }),
            }
        }
        let mut let_go = rest.let_go();
        if sums.len() > HOSTS_MAX {
            sums.sort_unstable_by_key(|sum| (Reverse(sum.outline.sockets), sum.host));
            let_go += sums.split_off(HOSTS_MAX).iter().map(|sum| sum.outline.sockets).sum::<u64>();
            sums.sort_unstable_by_key(|sum| sum.host);
        }
        let intervals_max = (INTERVALS_TOTAL / sums.len().max(1)).clamp(INTERVALS_MIN, intervals_max);
        let (services, destinations) = (Arc::clone(services), Arc::clone(destinations));
        let begun = rest.take_counted();
        let all = Self { sums: Vec::new(), rest, services, destinations, intervals_max, let_go, crew };
        let sums_begun = begun.into_iter().filter_map(|(host, pile)| {
            let place = sums.binary_search_by_key(&host, |sum| sum.host).ok()?;
            Some((&sums[place], pile))
        });
        crew.share(sums_begun, |(sum, pile), (): &mut ()| {
            sum.pile.get_or_init(|| boxed(all.sum_of(Some(pile), sum.host)));
        });
        Self { sums, ..all }
    }

    /// Every host.
    pub fn sorted(&self) -> Vec<(IpAddr, &Pile)> {
        self.sums.iter().map(|sum| (sum.host, &**sum.pile.get_or_init(|| boxed(self.pile(sum.host))))).collect()
    }

    /// The hosts of which the outline is enough, in order. What was not counted before is not kept, since one host after the
    /// other is looked at once.
    pub fn reaching(&self, is_enough: impl Fn(&Outline) -> bool) -> impl Iterator<Item = (IpAddr, Cow<'_, Pile>)> {
        let those: Vec<&Sum> = self.sums.iter().filter(|sum| is_enough(&sum.outline)).collect();
        let sockets = those.iter().map(|sum| sum.outline.sockets as usize).sum();
        let crew = self.crew.for_sockets(sockets);
        let together = if crew.is_alone() { 1 } else { AHEAD };
        (0..those.len()).step_by(together).flat_map(move |from| {
            let mut piles: Vec<_> = those[from..].iter().take(together).map(|sum| (sum.host, *sum, None)).collect();
            crew.share(piles.iter_mut(), |(_, sum, pile), (): &mut ()| *pile = Some(self.pile_of(sum)));
            piles.into_iter().filter_map(|(host, _, pile)| Some((host, pile?)))
        })
    }

    fn pile_of<'a>(&'a self, sum: &'a Sum) -> Cow<'a, Pile> {
        let counted = sum.pile.get().map(|pile| Cow::Borrowed(&**pile));
        let pile = counted.unwrap_or_else(|| self.pile(sum.host));
        debug_assert!(pile.peak(State::TimeWait).sockets <= sum.outline.time_waits_at_once, "{:?}", sum.outline);
        pile
    }

    /// Whether `host` had a socket.
    pub fn has_sockets(&self, host: IpAddr) -> bool {
        let place = self.sums.binary_search_by_key(&host, |sum| sum.host);
        place.is_ok_and(|place| self.sums[place].outline.sockets > 0)
    }

    /// Sockets of hosts that were too many to keep.
    pub fn let_go(&self) -> u64 {
        self.let_go
    }

    fn pile(&self, host: IpAddr) -> Cow<'_, Pile> {
        self.sum_of(self.rest.counted(host), host)
    }

    /// The sum of `rest`, and of the services and destinations of `host`.
    fn sum_of(&self, rest: Option<Box<Pile>>, host: IpAddr) -> Cow<'_, Pile> {
        let services = self.services.within(|service| service.ip.cmp(&host)).map(|(key, _)| self.services.get(key));
        let destinations = self.destinations.within(|(client, _)| client.cmp(&host));
        // Services are few and asked for again.
        let services = services.flatten().map(Cow::Borrowed);
        let mut parts = services.chain(destinations.filter_map(|(key, _)| self.destinations.lent(key)));
        let first = rest.map(|rest| Cow::Owned(*rest)).or_else(|| parts.next());
        let mut pile = first.unwrap_or_else(|| Cow::Owned(Pile::new(1)));
        parts.for_each(|part| pile.to_mut().join(&part));
        // Most servers have one service and nothing else.
        if pile.series().len() > self.intervals_max {
            pile.to_mut().fit(self.intervals_max);
        }
        if let Cow::Owned(pile) = &mut pile {
            pile.put_in_order();
        }
        pile
    }
}

fn boxed(pile: Cow<'_, Pile>) -> Box<Pile> {
    Box::new(pile.into_owned())
}
