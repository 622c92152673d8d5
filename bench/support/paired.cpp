// SPDX-License-Identifier: BSL-1.0
#include "bench/support/paired.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>
#include <utility>

#include <sched.h>

namespace bench {
namespace {

cpu_set_t const& cores_at_start() {
    static cpu_set_t const mask = [] {
        cpu_set_t m;
        CPU_ZERO(&m);
        ::sched_getaffinity(0, sizeof m, &m);
        return m;
    }();
    return mask;
}

measurement const& row_named(std::vector<measurement> const& rows, std::string const& name) {
    auto const found = std::find_if(rows.begin(), rows.end(), [&](measurement const& m) { return m.name == name; });
    if (found == rows.end()) {
        throw std::logic_error("no competitor is called '" + name + "'");
    }
    return *found;
}

std::uint64_t rounded_up(std::uint64_t units, std::uint64_t granularity) {
    return (units + granularity - 1) / granularity * granularity;
}

// As many units as fill a slice, and a first look at whether it works at all.
std::uint64_t units_for(settings const& s, competitor const& c) {
    if (s.fixed_units != 0) {
        c.slice(s.fixed_units);
        return s.fixed_units;
    }
    double const wanted = std::chrono::duration<double, std::nano>(s.slice).count();
    std::uint64_t units = s.granularity;
    for (;;) {
        double const took = c.slice(units) * static_cast<double>(units);
        if (took >= wanted / 2) {
            double const exact = static_cast<double>(units) * wanted / took;
            return rounded_up(std::max<std::uint64_t>(1, static_cast<std::uint64_t>(exact)), s.granularity);
        }
        double const factor = std::clamp(wanted / std::max(took, 1.0), 2.0, 16.0);
        units = rounded_up(static_cast<std::uint64_t>(static_cast<double>(units) * factor), s.granularity);
    }
}

void print_goal(goal const& g, double ratio) {
    bool const low = g.direction == goal::sense::at_most;
    bool const met = low ? ratio <= g.bound : ratio >= g.bound;
    std::printf("  goal  %s / %s  %s %.3g: %.3g  %s\n", g.subject.c_str(), g.reference.c_str(),
                low ? "at most" : "at least", g.bound, ratio, met ? "met" : "MISSED");
}

}  // namespace

void expect_equal(std::uint64_t got, std::uint64_t wanted, char const* what) {
    if (got != wanted) {
        throw wrong_result(std::string(what) + ": " + std::to_string(got) + " instead of " + std::to_string(wanted));
    }
}

double median(std::vector<double> values) {
    if (values.empty()) {
        throw std::logic_error("the median of nothing");
    }
    auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

double median_ratio(measurement const& numerator, measurement const& denominator) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < numerator.rounds.size(); ++i) {
        ratios.push_back(numerator.rounds.at(i) / denominator.rounds.at(i));
    }
    return median(std::move(ratios));
}

void print_table(settings const& s, std::vector<measurement> const& rows, std::vector<goal> const& goals) {
    measurement const& floor = rows.front();
    std::size_t width = 24;
    for (measurement const& row : rows) {
        width = std::max(width, row.name.size());
    }
    std::printf("\n%s\n  %-*s %12s %12s", s.title.c_str(), static_cast<int>(width), "", s.unit.c_str(), "x first row");
    std::vector<measurement const*> subjects;
    for (measurement const& row : rows) {
        if (row.name.rfind("coir", 0) == 0) {
            subjects.push_back(&row);
            std::printf(" %16s", (row.name + " / it").c_str());
        }
    }
    std::printf("\n");
    for (measurement const& row : rows) {
        std::printf("  %-*s %12.*f %12.2f", static_cast<int>(width), row.name.c_str(), s.decimals,
                    median(row.rounds) * s.scale, median_ratio(row, floor));
        for (measurement const* const subject : subjects) {
            std::printf(" %16.3f", median_ratio(*subject, row));
        }
        std::printf("\n");
    }
    for (goal const& g : goals) {
        print_goal(g, median_ratio(row_named(rows, g.subject), row_named(rows, g.reference)));
    }
    std::fflush(stdout);
}

void compare(settings const& s, std::vector<competitor> const& competitors, std::vector<goal> const& goals) {
    std::vector<measurement> rows;
    std::vector<std::uint64_t> units;
    for (competitor const& c : competitors) {
        rows.push_back({c.name, {}});
        units.push_back(units_for(s, c));
    }
    int const rounds = rounds_wanted(s.rounds);
    std::size_t const count = competitors.size();
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t turn = 0; turn < count; ++turn) {
            // Each round starts with another one, so that nobody is always measured behind the same neighbour.
            std::size_t const i = (turn + static_cast<std::size_t>(round)) % count;
            rows[i].rounds.push_back(competitors[i].slice(units[i]));
        }
    }
    print_table(s, rows, goals);
}

double median_after_pauses(std::uint64_t times, std::function<void()> const& pause,
                           std::function<double()> const& one) {
    std::vector<double> each;
    for (std::uint64_t i = 0; i < times; ++i) {
        pause();
        each.push_back(one());
    }
    return median(std::move(each));
}

competitor after_pauses(competitor one, std::chrono::microseconds pause) {
    return {one.name, [slice = std::move(one.slice), pause](std::uint64_t units) {
                return median_after_pauses(
                    units, [&] { std::this_thread::sleep_for(pause); }, [&] { return slice(1); });
            }};
}

unsigned usable_cores() {
    return static_cast<unsigned>(std::max(1, CPU_COUNT(&cores_at_start())));
}

void pin_this_thread(unsigned core) {
    unsigned skip = core % usable_cores();
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &cores_at_start()) && skip-- == 0) {
            cpu_set_t mask;
            CPU_ZERO(&mask);
            CPU_SET(cpu, &mask);
            ::sched_setaffinity(0, sizeof mask, &mask);
            return;
        }
    }
}

void unpin_this_thread() {
    ::sched_setaffinity(0, sizeof(cpu_set_t), &cores_at_start());
}

int rounds_wanted(int normally) {
    char const* const wanted = std::getenv("COIR_BENCH_ROUNDS");
    return wanted == nullptr ? normally : std::max(1, std::atoi(wanted));
}

int guarded_main(std::function<void()> const& body) noexcept {
    try {
        cores_at_start();
        body();
        return 0;
    } catch (std::exception const& e) {
        std::fprintf(stderr, "error: %s\n", e.what());
    } catch (...) {
        std::fprintf(stderr, "error: an exception that is no std::exception\n");
    }
    return 1;
}

}  // namespace bench
