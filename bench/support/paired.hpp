// SPDX-License-Identifier: BSL-1.0
#pragma once

// Paired measurements. The machines that this runs on are noisy: a figure may change by a factor of two within minutes.
// So competitors take turns in short slices, all of them in each round, and what is reported is the median over the
// rounds of the ratio of two slices that lay side by side. Nothing else of the output is comparable with another run.

#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

/// One way to solve the problem.
struct competitor {
    std::string name;
    /// Does `units` units of work, verifies the result (throws wrong_result) and returns the nanoseconds that one unit
    /// took. Called from one thread, again and again.
    std::function<double(std::uint64_t units)> slice;
};

/// The median of what `one()` gives, called `times` times, each after `pause()`.
double median_after_pauses(std::uint64_t times, std::function<void()> const& pause, std::function<double()> const& one);

/// `one`, a unit at a time, each after a pause in which everybody goes to sleep. The pauses do not count. A slice's figure is the
/// median of its units, not their mean: where others want the cores, a few wake-ups come a whole time slice (3 ms) late,
/// whatever is woken, and how many of those fall on whom would decide.
competitor after_pauses(competitor one, std::chrono::microseconds pause);

struct wrong_result : std::runtime_error {
    using runtime_error::runtime_error;
};

/// Throws wrong_result unless the two are equal.
void expect_equal(std::uint64_t got, std::uint64_t wanted, char const* what);

/// A ratio that is aimed at: `subject` / `reference` at most (or for figures of merit like requests per second, at
/// least) `bound`.
struct goal {
    enum class sense { at_most, at_least };

    std::string subject;
    std::string reference;
    double bound = 1.0;
    sense direction = sense::at_most;
};

struct settings {
    std::string title;        ///< "yield: two tasks in turn on one worker"
    std::string unit = "ns";  ///< the heading of the column of figures
    double scale = 1.0;       ///< what a figure in nanoseconds is multiplied by before it is printed
    int decimals = 1;
    std::uint64_t granularity = 1;  ///< units are a multiple of this
    std::uint64_t fixed_units = 0;  ///< 0: as many as fill a slice
    std::chrono::milliseconds slice = std::chrono::milliseconds(40);
    int rounds = 15;
};

/// Measures and prints the table. The first competitor is the floor: every other is shown as a multiple of it.
void compare(settings const& s, std::vector<competitor> const& competitors, std::vector<goal> const& goals);

// --- the parts, for problems that measure by other means -------------------------------------------------------------

/// One row for each competitor: a figure for each round.
struct measurement {
    std::string name;
    std::vector<double> rounds;
};

double median(std::vector<double> values);
/// The median over the rounds of numerator / denominator.
double median_ratio(measurement const& numerator, measurement const& denominator);
void print_table(settings const& s, std::vector<measurement> const& rows, std::vector<goal> const& goals);

// --- where and how long ----------------------------------------------------------------------------------------------

class stopwatch {
public:
    double nanoseconds() const {
        return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// How many cores this process may use.
unsigned usable_cores();
/// Binds the calling thread, and those that it starts from now on, to one of them (modulo their number).
void pin_this_thread(unsigned core);
/// Undoes that.
void unpin_this_thread();

/// The environment may shorten everything, for a smoke test: COIR_BENCH_ROUNDS.
int rounds_wanted(int normally);

/// A main: calls `body`, and says what was wrong when it throws.
int guarded_main(std::function<void()> const& body) noexcept;

}  // namespace bench
