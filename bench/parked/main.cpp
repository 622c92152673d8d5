// SPDX-License-Identifier: BSL-1.0
#include "bench/parked/parked.hpp"
#include "bench/support/child.hpp"
#include "bench/support/paired.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

namespace bench::parked {
namespace {

std::size_t kilobytes(char const* path, std::string const& name) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(name + ":")) {
            return std::stoull(line.substr(name.size() + 1));
        }
    }
    throw std::runtime_error(std::string(path) + " has no line " + name);
}

using contestant = figures (*)(std::size_t, std::size_t);

figures in_a_process_of_its_own(contestant body, std::size_t count, std::size_t stack_size) {
    return run_in_child<figures>([=] { return body(count, stack_size); });
}

void print(char const* name, std::size_t stack_size, figures const& f, figures const& floor) {
    std::printf("  %-28s %6zu KiB %12.0f %12.0f %12.2f %12.0f\n", name, stack_size / 1024, f.bytes_each, f.make_ns_each,
                f.make_ns_each / floor.make_ns_each, f.wake_ms);
    std::fflush(stdout);
}

void run_all() {
    constexpr std::size_t k_small = std::size_t{64} * 1024;
    constexpr std::size_t k_default = std::size_t{256} * 1024;
    std::size_t const affordable = kilobytes("/proc/meminfo", "MemAvailable") * 1024 / 2 / 5000;
    std::size_t const count = std::clamp<std::size_t>(affordable, 1000, 1'000'000);
    std::size_t const few = std::min<std::size_t>(count, 100'000);
    std::printf("\nparked: %zu tasks that wait, each on a stack of its own\n", count);
    std::printf("  %-28s %10s %12s %12s %12s %12s\n", "", "stack", "bytes each", "make, ns", "x floor", "wake all, ms");
    figures const floor = in_a_process_of_its_own(&touched_stacks, count, k_small);
    print("guarded, touched stacks", k_small, floor, floor);
    figures const small = in_a_process_of_its_own(&coir_tasks, count, k_small);
    print("coir", k_small, small, floor);
    figures const again = in_a_process_of_its_own(&touched_stacks, count, k_default);
    print("guarded, touched stacks", k_default, again, again);
    print("coir", k_default, in_a_process_of_its_own(&coir_tasks, count, k_default), again);
    print(("coir, " + std::to_string(few)).c_str(), k_small, in_a_process_of_its_own(&coir_tasks, few, k_small), floor);
    print(("Boost.Fiber, unguarded, " + std::to_string(few)).c_str(), k_small,
          in_a_process_of_its_own(&boost_fibers, few, k_small), floor);
    std::printf("  goal  coir, 64 KiB: at most 4600 bytes: %.0f  %s\n", small.bytes_each,
                small.bytes_each <= 4600 ? "met" : "MISSED");
    std::printf("  goal  coir, 64 KiB, to make / the floor  at most 1.15: %.2f  %s\n",
                small.make_ns_each / floor.make_ns_each,
                small.make_ns_each <= 1.15 * floor.make_ns_each ? "met" : "MISSED");
}

}  // namespace

std::size_t memory_in_use() {
    return (kilobytes("/proc/self/status", "VmRSS") + kilobytes("/proc/self/status", "VmPTE")) * 1024;
}

}  // namespace bench::parked

int main() {
    return bench::guarded_main([] { bench::parked::run_all(); });
}
