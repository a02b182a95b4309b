//! Processor time per frame of every rung of the walk, on captures made from a seed.
//!
//! `cargo bench --bench throughput` measures every profile at a tenth of its full size. All rungs of a profile take
//! turns within one run, because only the ratios between them mean anything on another machine. What is counted is
//! user and system time of the process, not the wall clock.

mod floor;
mod generate;
mod rung;
mod walk;
mod writing;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use rustix::time::{ClockId, clock_gettime};

use self::generate::{Profile, Totals};
use self::rung::Rung;

/// Measures nanoseconds of processor time per frame.
#[derive(Debug, Parser)]
struct Arguments {
    /// The kinds of traffic; all when none is named.
    profiles: Vec<Profile>,
    /// Share of the full size (90,000 web connections, 12 million SYNs ...).
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    /// What the captures are made from.
    #[arg(long, default_value_t = 9293)]
    seed: u64,
    /// How often every rung is run; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these rungs.
    #[arg(long = "rung")]
    rungs: Vec<Rung>,
    /// Measure also what writing NDJSON takes by itself.
    #[arg(long)]
    writing: bool,
    /// Fail when the whole analysis costs more of the floor than it may, or counting across connections more of the rest: for
    /// continuous integration.
    #[arg(long)]
    guard: bool,
    /// Write the captures into this folder and measure nothing.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// Run the rungs once over this capture and measure nothing: for counting instructions.
    #[arg(long, value_name = "CAPTURE", conflicts_with = "write")]
    read: Option<PathBuf>,
    /// Passed by `cargo bench`; without it, as under `cargo test`, one round over small captures shows that all works.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one rung took over one capture.
#[derive(Clone, Copy, Debug)]
struct Cost {
    cpu_ns: f64,
    wall_ns: f64,
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if let Some(path) = &arguments.read {
        return arguments.rungs.iter().try_for_each(|rung| rung.run(path).map(drop));
    }
    if !arguments.bench && arguments.write.is_none() {
        arguments.scale = 0.001;
        arguments.rounds = 1;
        check_repeatable(&arguments)?;
    }
    if arguments.profiles.is_empty() {
        arguments.profiles = Profile::value_variants().to_vec();
    }
    if arguments.guard {
        arguments.rungs = vec![Rung::Floor, Rung::Plain, Rung::Whole];
    } else if arguments.rungs.is_empty() {
        arguments.rungs = Rung::value_variants().to_vec();
    }
    let folder = arguments.write.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    for &profile in &arguments.profiles {
        let path = folder.join(format!("{}.pcap", profile.name()));
        let totals = generate(profile, &arguments, &path)?;
        if arguments.write.is_none() {
            measure(profile, &totals, &arguments, &path)?;
            if arguments.writing || !arguments.bench {
                measure_writing(&path, arguments.rounds)?;
            }
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn generate(profile: Profile, arguments: &Arguments, path: &Path) -> Result<Totals> {
    let mut file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let totals = generate::write(profile, arguments.scale, arguments.seed, &mut file)?;
    println!(
        "{}: {} frames, {} connections, mean frame {} octets, {} MB",
        profile.name(),
        totals.frames,
        totals.connections,
        (totals.file_len - 24) / totals.frames - 16,
        totals.file_len / 1_000_000
    );
    Ok(totals)
}

/// The same seed gives the same octets, or figures of two runs are of different traffic.
fn check_repeatable(arguments: &Arguments) -> Result<()> {
    for &profile in Profile::value_variants() {
        let [mut first, mut second] = [Vec::new(), Vec::new()];
        generate::write(profile, arguments.scale, arguments.seed, &mut first)?;
        generate::write(profile, arguments.scale, arguments.seed, &mut second)?;
        ensure!(first == second, "{} differs from run to run", profile.name());
    }
    Ok(())
}

/// Runs every rung in turn, round by round, and prints medians.
fn measure(profile: Profile, totals: &Totals, arguments: &Arguments, path: &Path) -> Result<()> {
    let mut rounds: Vec<Vec<Cost>> = Vec::new();
    for _ in 0..arguments.rounds {
        let mut costs = Vec::new();
        for &rung in &arguments.rungs {
            let (frames, cost) = time(|| rung.run(path))?;
            ensure!(frames == totals.frames, "{} saw {frames} of {} frames", rung.name(), totals.frames);
            costs.push(cost);
        }
        rounds.push(costs);
    }
    let floor = arguments.rungs.iter().position(|&rung| rung == Rung::Floor);
    println!("  {:<10} {:>10} {:>10} {:>8}", "rung", "cpu ns", "wall ns", "x floor");
    for (at, rung) in arguments.rungs.iter().enumerate() {
        let per_frame = |ns: &dyn Fn(&Cost) -> f64| {
            median(rounds.iter().map(|costs| ns(&costs[at]) / totals.frames as f64).collect())
        };
        let ratio =
            floor.map(|floor| median(rounds.iter().map(|costs| costs[at].cpu_ns / costs[floor].cpu_ns).collect()));
        println!(
            "  {:<10} {:>10.1} {:>10.1} {:>8}",
            rung.name(),
            per_frame(&|cost| cost.cpu_ns),
            per_frame(&|cost| cost.wall_ns),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        );
        if let (true, Rung::Whole, Some(ratio)) = (arguments.guard, rung, ratio) {
            let most = floors_at_most(profile);
            ensure!(ratio <= most, "{}: the whole analysis takes {ratio:.1} floors; at most {most}", profile.name());
        }
    }
    let place = |wanted| arguments.rungs.iter().position(|&rung| rung == wanted);
    if let (true, Some(plain), Some(whole)) = (arguments.guard, place(Rung::Plain), place(Rung::Whole)) {
        let ratio = median(rounds.iter().map(|costs| costs[whole].cpu_ns / costs[plain].cpu_ns).collect());
        println!("  across connections: {ratio:.2} of what each takes by itself");
        let name = profile.name();
        ensure!(
            ratio <= ACROSS_AT_MOST,
            "{name}: counting across connections makes it {ratio:.2} times as dear; at most {ACROSS_AT_MOST}"
        );
    }
    Ok(())
}

/// Writes the same verdicts round by round, and prints the median.
fn measure_writing(path: &Path, rounds: usize) -> Result<()> {
    let verdicts = writing::verdicts(path)?;
    let mut octets = 0;
    let mut costs = Vec::new();
    for _ in 0..rounds.max(1) {
        let (written, cost) = time(|| writing::write(&verdicts))?;
        octets = written;
        costs.push(cost.cpu_ns);
    }
    let (ns, records) = (median(costs), verdicts.len().max(1) as f64);
    let (record_ns, record_octets) = (ns / records, octets as f64 / records);
    println!("  NDJSON: {record_ns:.0} ns and {record_octets:.0} octets a connection, {:.2} GB/s", octets as f64 / ns);
    Ok(())
}

/// As many floors as the whole analysis may take: twice what it takes now (docs/bench; at a hundredth of the size `bulk` takes up
/// to 1.9), since a busy machine does not disturb both alike.
fn floors_at_most(profile: Profile) -> f64 {
    match profile {
        Profile::Web => 4.5,
        Profile::Tiny => 10.0,
        Profile::Bulk => 4.0,
        Profile::Churn => 6.0,
        Profile::Synflood => 2.5,
    }
}

/// As many times the analysis of every connection by itself as the whole may take. With few connections, as where this is held,
/// what is done once for each group is what counts: 1.16 on `web` and 1.46 on `tiny`, of a quiet machine; of a busy one up to 1.5.
const ACROSS_AT_MOST: f64 = 1.8;

fn time<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Cost)> {
    let wall = Instant::now();
    let cpu = cpu_ns();
    let outcome = work()?;
    Ok((outcome, Cost { cpu_ns: cpu_ns() - cpu, wall_ns: wall.elapsed().as_nanos() as f64 }))
}

/// User and system time of all threads of this process.
fn cpu_ns() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
