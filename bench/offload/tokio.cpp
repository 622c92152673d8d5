// SPDX-License-Identifier: BSL-1.0
//
// Tokio's spawn_blocking: one worker, which awaits calls on blocking threads. The program is built by cargo beside this
// one, without the network, from the crates that Debian's librust-tokio-dev puts into /usr/share/cargo/registry; where that
// does not work, Tokio's row is left out and the output says so.

#include "bench/offload/offload.hpp"
#include "bench/offload/peer.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench::offload {
namespace {

namespace fs = std::filesystem;

constexpr char k_manifest[] = R"toml([package]
name = "offload"
version = "0.0.0"
edition = "2021"

[dependencies]
tokio = { version = "1", default-features = false, features = ["rt-multi-thread"] }

[workspace]
)toml";

constexpr char k_configuration[] = R"toml([source.crates-io]
replace-with = "debian"

[source.debian]
directory = "/usr/share/cargo/registry"

[net]
offline = true
)toml";

constexpr char k_program[] = R"rust(use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

async fn caller(times: u64) -> u64 {
    let mut total = 0;
    for _ in 0..times {
        total += tokio::task::spawn_blocking(|| 1u64).await.unwrap();
    }
    total
}

async fn measure(calls: u64, in_flight: u64) -> (u64, u128) {
    let start = Instant::now();
    let callers: Vec<_> = (0..in_flight)
        .map(|_| tokio::spawn(caller(calls / in_flight)))
        .collect();
    let mut total = 0;
    for each in callers {
        total += each.await.unwrap();
    }
    (total, start.elapsed().as_nanos())
}

// The median, times the number of calls.
async fn measure_after_pauses(calls: u64, pause: Duration) -> (u64, u128) {
    let mut each = Vec::new();
    let mut total = 0;
    for _ in 0..calls {
        std::thread::sleep(pause);
        let start = Instant::now();
        total += caller(1).await;
        each.push(start.elapsed().as_nanos());
    }
    each.sort();
    (total, each[each.len() / 2] * calls as u128)
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let (threads, in_flight) = (numbers[0] as usize, numbers[1]);
    let pause = Duration::from_micros(numbers[2]);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1);
    if threads > 0 {
        builder.max_blocking_threads(threads);
    }
    let runtime = builder.build().unwrap();
    for line in std::io::stdin().lock().lines() {
        let calls: u64 = line.unwrap().trim().parse().unwrap();
        // In a task, so that the worker awaits, and not this thread.
        let (total, took) = runtime
            .block_on(async move {
                if pause.is_zero() {
                    tokio::spawn(measure(calls, in_flight)).await
                } else {
                    tokio::spawn(measure_after_pauses(calls, pause)).await
                }
            })
            .unwrap();
        println!("{} {}", total, took);
        std::io::stdout().flush().unwrap();
    }
}
)rust";

// Not if it is there already: cargo looks at the time of the last change.
void write_if_other(fs::path const& file, std::string const& text) {
    std::ifstream present(file);
    if (present && std::string(std::istreambuf_iterator<char>(present), std::istreambuf_iterator<char>()) == text) {
        return;
    }
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
}

// Its exit status; 127 if there is no cargo.
int run_cargo(fs::path const& folder, fs::path const& log) {
    pid_t const child = ::fork();
    if (child == 0) {
        int const output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (output < 0 || ::dup2(output, 1) < 0 || ::dup2(output, 2) < 0 || ::chdir(folder.c_str()) != 0) {
            ::_exit(126);
        }
        ::execlp("cargo", "cargo", "build", "--release", "--offline", "--target-dir", "target", nullptr);
        ::_exit(127);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
        return 126;
    }
    return WEXITSTATUS(status);
}

std::optional<std::string> build() {
    fs::path const folder = fs::read_symlink("/proc/self/exe").parent_path() / "offload_tokio";
    fs::path const log = folder / "cargo.log";
    write_if_other(folder / "Cargo.toml", k_manifest);
    write_if_other(folder / ".cargo" / "config.toml", k_configuration);
    write_if_other(folder / "src" / "main.rs", k_program);
    int const status = run_cargo(folder, log);
    if (status == 0) {
        return folder / "target" / "release" / "offload";
    }
    std::printf("offload: Tokio spawn_blocking is left out: %s\n",
                status == 127 ? "there is no cargo"
                              : ("cargo could not build it from librust-tokio-dev, see " + log.string()).c_str());
    return std::nullopt;
}

competitor tokio_with(unsigned threads, std::size_t in_flight, std::chrono::microseconds pause = {}) {
    static std::optional<std::string> const program = build();
    if (!program) {
        return {};
    }
    auto const tokio = std::make_shared<peer>(std::vector<std::string>{
        *program, std::to_string(threads), std::to_string(in_flight), std::to_string(pause.count())});
    return {k_tokio, [tokio](std::uint64_t calls) { return tokio->run(calls); }};
}

}  // namespace

competitor tokio_round_trip() {
    return tokio_with(k_threads, 1);
}

competitor tokio_after_pauses(std::chrono::microseconds pause) {
    return tokio_with(k_threads, 1, pause);
}

competitor tokio_throughput(unsigned threads) {
    return tokio_with(threads, k_in_flight);
}

}  // namespace bench::offload
