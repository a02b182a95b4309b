//! Stage 4: one connection, tracked passively. Pure: no table, no finding, no report, no I/O and no clock; time is the
//! segments'.
//!
//! Tracking has two parts. [`Connection::step`] takes each segment as it comes, keeps counters for each [`Half`] and
//! notes the few segments that later decide something. [`Lifecycle::of`] looks back over what was noted: with all that
//! followed in hand it decides which control segments arrived, and drives one RFC 9293 machine per endpoint through
//! [`transition`]. It may be asked at any time; asked again after more segments it may know better.

mod between;
mod brief;
mod classify;
mod clocked;
mod closing;
mod control;
mod cue;
mod delivery;
mod dsack;
mod effect;
mod gaps;
mod half;
mod handshake;
mod history;
mod in_vain;
mod journal;
mod lifecycle;
mod missed;
mod noted;
mod opening;
mod orderly;
mod overtaken;
mod predecessor;
mod profile;
mod refused;
mod repeat;
mod reset;
mod resumed;
mod retries;
mod roles;
mod round_trip;
mod sampled;
mod sequence;
mod state;
mod steady;
mod step;
mod still;
mod successor;
mod transition;
mod unsent;
mod vantage;
mod words;

pub use between::{BURST_NS, Between, Unlike, aborts_closed, beyond_all, counts_ids};
pub use brief::{Brief, Head, Packed, Rest, Shelves};
pub use closing::Closing;
pub use cue::Cue;
pub use delivery::{Arrival, Arrivals, Receipt};
pub use effect::{Confirmed, ResetEffect};
pub use gaps::Gaps;
pub use half::Half;
pub use history::completeness;
pub use in_vain::InVain;
pub use journal::{Artefact, Exhibit, Journal};
pub use lifecycle::{Hindsight, Lifecycle, Room, Surprise, is_hard};
pub use noted::{Class, Noted};
pub use opening::{Opening, ending_error, rejecting_error};
pub use orderly::{Abort, Circumstances, LastPayload, Orderly, Place, Sent, Sighting, Steps, Waking};
pub use predecessor::{Answer, Leavings, PastHalf, Predecessor, Successor};
pub use profile::{Profile, ProfileBasis, SYN_REPEATED_NS, UnreadData};
pub use reset::{Acceptance, ResetSeen};
pub use retries::{Retries, Schedule};
pub use roles::ports_tell;
pub use sequence::SequenceCounts;
pub use state::State;
pub use step::Connection;
pub use still::Still;
pub use transition::{Reaction, transition};
pub use vantage::Tap;
pub use words::{Basis, CloseKind, Frames, Heard, Initiator, OpenKind, RoleBasis, StateStep};
