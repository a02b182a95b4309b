//! Ctrl-C: the first one asks for an early end, the second one ends the process at once.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a command that Ctrl-C ended.
pub const EXIT_CODE: u8 = 130;

/// Ctrl-C was pressed before there was anything to report.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("ended by Ctrl-C before anything was read")]
pub struct Pressed;

/// Whether Ctrl-C was pressed.
#[derive(Debug)]
pub struct Interrupt {
    pressed: Arc<AtomicBool>,
    #[cfg(feature = "live")]
    terminated: Arc<AtomicBool>,
    #[cfg(unix)]
    bell: Arc<std::os::unix::net::UnixStream>,
    /// The other end of the bell.
    #[cfg(all(unix, feature = "live"))]
    ringer: std::os::unix::net::UnixStream,
}

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    /// The operating system has no handler or pipe to give.
    pub fn listen() -> io::Result<Self> {
        use signal_hook::consts::SIGINT;
        let pressed = Arc::new(AtomicBool::new(false));
        // Handlers run in this order: the second press finds the flag that the first one set.
        signal_hook::flag::register_conditional_shutdown(SIGINT, EXIT_CODE.into(), Arc::clone(&pressed))?;
        signal_hook::flag::register(SIGINT, Arc::clone(&pressed))?;
        #[cfg(unix)]
        let (bell, ringer) = std::os::unix::net::UnixStream::pair()?;
        #[cfg(unix)]
        signal_hook::low_level::pipe::register(SIGINT, ringer.try_clone()?)?;
        Ok(Self {
            pressed,
            #[cfg(feature = "live")]
            terminated: Arc::default(),
            #[cfg(unix)]
            bell: Arc::new(bell),
            #[cfg(all(unix, feature = "live"))]
            ringer,
        })
    }

    /// It was pressed.
    pub fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }

    /// What came of reading; a failure after Ctrl-C is [`Pressed`], since a read that waits fails then.
    ///
    /// # Errors
    /// As `result`.
    pub fn or_pressed<T>(&self, result: Result<T, impl Into<anyhow::Error>>) -> anyhow::Result<T> {
        result.map_err(|error| if self.is_pressed() { Pressed.into() } else { error.into() })
    }

    /// Somebody asked the process to terminate (SIGTERM). Never before [`Interrupt::listen_to_termination`].
    #[cfg(feature = "live")]
    pub fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::Relaxed)
    }

    /// Takes SIGTERM for a wish to come to an end, as a service gets it.
    ///
    /// # Errors
    /// The operating system has no handler or pipe to give.
    #[cfg(all(unix, feature = "live"))]
    pub fn listen_to_termination(&mut self) -> io::Result<()> {
        use signal_hook::consts::SIGTERM;
        signal_hook::flag::register(SIGTERM, Arc::clone(&self.terminated))?;
        signal_hook::low_level::pipe::register(SIGTERM, self.ringer.try_clone()?)?;
        Ok(())
    }

    /// Readable once a signal came.
    #[cfg(all(unix, feature = "live"))]
    pub fn bell(&self) -> &std::os::unix::net::UnixStream {
        &self.bell
    }

    /// Standard input that fails when Ctrl-C is pressed: a read that waits for a silent pipe would not notice it.
    pub fn stdin(&self) -> Box<dyn Read + Send> {
        #[cfg(unix)]
        return Box::new(unix::WakingStdin { bell: Arc::clone(&self.bell) });
        #[cfg(not(unix))]
        return Box::new(io::stdin());
    }
}

#[cfg(unix)]
mod unix {
    use std::io::{self, Read};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use rustix::event::{PollFd, PollFlags, poll};

    /// Standard input without a buffer of its own, beside a bell that, once rung, never stops.
    pub struct WakingStdin {
        pub bell: Arc<UnixStream>,
    }

    impl Read for WakingStdin {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let stdin = rustix::stdio::stdin();
            let mut both = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&*self.bell, PollFlags::IN)];
            poll(&mut both, None)?;
            if both[1].revents().contains(PollFlags::IN) {
                return Err(io::Error::other("interrupted"));
            }
            Ok(rustix::io::read(stdin, buffer)?)
        }
    }
}
