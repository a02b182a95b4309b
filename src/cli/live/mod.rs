//! `lastack live`: the same analysis on a running interface.

#[cfg(feature = "live")]
mod across;
pub mod arguments;
#[cfg(feature = "live")]
mod clerk;
#[cfg(feature = "live")]
mod command;
#[cfg(feature = "live")]
mod companions;
#[cfg(all(test, feature = "live", target_os = "linux"))]
mod day;
#[cfg(feature = "live")]
mod keep;
#[cfg(feature = "live")]
mod metrics;
#[cfg(feature = "live")]
mod privileges;
#[cfg(feature = "live")]
mod session;
#[cfg(feature = "live")]
mod shared;
#[cfg(feature = "live")]
mod supply;
#[cfg(feature = "live")]
mod view;
#[cfg(feature = "live")]
mod watch;

#[cfg(feature = "live")]
pub use command::run;

#[cfg(not(feature = "live"))]
mod absent {
    use super::arguments::LiveArguments;
    use crate::cli::Outcome;
    use crate::cli::arguments::Talk;

    /// Says what is missing.
    ///
    /// # Errors
    /// Always.
    pub fn run(_: LiveArguments, _: &Talk) -> anyhow::Result<Outcome> {
        anyhow::bail!(
            "the command live needs libpcap, and this lastack was built without it (cargo feature \"live\"); capture with \
             another program and pipe it in: tcpdump -i IFACE -s 128 -U -w - | lastack -"
        )
    }
}

#[cfg(not(feature = "live"))]
pub use absent::run;
