// SPDX-License-Identifier: BSL-1.0
#include "bench/support/child.hpp"
#include "bench/support/paired.hpp"
#include "bench/timers/timers.hpp"

#include <cstdio>
#include <random>
#include <utility>

#include <ctime>

namespace bench::timers {
namespace {

constexpr std::size_t k_many = 1'000'000;
constexpr std::size_t k_few = 100'000;

struct row {
    char const* name;
    std::size_t count;
    figures (*body)(std::size_t);
    std::vector<double> cpu = {};
    std::vector<double> late = {};
};

void goal(char const* what, double ratio, double bound) {
    std::printf("  goal  %s  at most %.3g: %.3g  %s\n", what, bound, ratio, ratio <= bound ? "met" : "MISSED");
}

void run_all() {
    row rows[] = {{"touched, guarded stacks", k_many, &touched_stacks},
                  {"coir", k_many, [](std::size_t count) { return coir_tasks(count, false); }},
                  {"coir, warm stacks", k_many, [](std::size_t count) { return coir_tasks(count, true); }},
                  {"coir, 100,000", k_few, [](std::size_t count) { return coir_tasks(count, false); }},
                  {"Boost.Fiber, unguarded, 100,000", k_few, &boost_fibers}};
    int const rounds = rounds_wanted(5);
    for (int round = 0; round < rounds; ++round) {
        for (row& r : rows) {
            figures const f = run_in_child<figures>([&r] { return r.body(r.count); });
            r.cpu.push_back(f.cpu_seconds);
            r.late.push_back(f.late_seconds);
        }
    }
    std::printf("\ntimers: tasks that sleep for a random time of up to 1 s, stacks of 64 KiB, one worker\n");
    std::printf("  %-32s %10s %16s %12s\n", "", "CPU, s", "CPU each, ns", "s too late");
    auto const each = [](row const& r) { return median(r.cpu) * 1e9 / static_cast<double>(r.count); };
    for (row const& r : rows) {
        std::printf("  %-32s %10.2f %16.0f %12.3f\n", r.name, median(r.cpu), each(r), median(r.late));
    }
    // A third of Tokio's time, which takes a third of Boost.Fiber's (design figures; Tokio is not part of this program).
    double const third = each(rows[4]) / 9;
    goal("coir / (touched stacks + a ninth of Boost.Fiber), each", each(rows[1]) / (each(rows[0]) + third), 1.0);
    goal("coir, warm stacks / a ninth of Boost.Fiber, each", each(rows[2]) / third, 1.0);
}

}  // namespace

times random_times(std::size_t count) {
    std::mt19937_64 random(1);
    times result(count);
    for (auto& t : result) {
        t = std::chrono::microseconds(random() % 1'000'000);
    }
    return result;
}

double cpu_seconds_of_process() {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

}  // namespace bench::timers

int main() {
    return bench::guarded_main([] { bench::timers::run_all(); });
}
