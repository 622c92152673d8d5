// SPDX-License-Identifier: BSL-1.0
#include "bench/process_pool/process_pool.hpp"

#include <coir/core/sched/runtime.hpp>

#include <string>
#include <utility>
#include <vector>

namespace {

std::vector<bench::goal> goals_of(std::vector<bench::competitor> const& competitors) {
    std::string const floor = competitors.front().name;
    std::vector<bench::goal> goals{
        {.subject = "coir, task", .reference = floor, .bound = floor == "memcpy" ? 1.5 : 0.5}};
    if (floor != "memcpy" && competitors.back().name == "Python") {
        goals.push_back({.subject = "coir, task", .reference = "Python", .bound = 1.0 / 40});
    }
    return goals;
}

}  // namespace

int main(int argc, char** argv) {
    coir::serve_if_worker(argc, argv);
    return bench::guarded_main([] {
        using namespace bench;
        struct problem {
            std::size_t size;
            char const* name;
        };
        std::vector<std::pair<problem, std::vector<competitor>>> all;
        for (problem const p : {problem{8, "8 bytes"}, problem{4096, "4 KiB"}, problem{16U << 20, "16 MiB"}}) {
            std::vector<competitor> competitors{
                p.size > (1U << 20) ? process_pool::copy_in_memory(p.size) : process_pool::bare_socket_pair(p.size),
                process_pool::coir_from_a_thread(p.size), process_pool::coir_from_a_task(p.size)};
            if (auto peer = process_pool::python(p.size); !peer.name.empty()) {
                competitors.push_back(std::move(peer));
            }
            all.emplace_back(p, std::move(competitors));
        }
        for (auto const& [p, competitors] : all) {
            compare({.title = std::string("a job in a worker process and back, ") + p.name,
                     .unit = "us/job",
                     .scale = 1e-3,
                     .slice = std::chrono::milliseconds(60)},
                    competitors, goals_of(competitors));
        }
        constexpr auto k_pause = std::chrono::milliseconds(2);
        std::vector<competitor> rested;
        for (competitor const& one : all.front().second) {
            if (one.name == "coir, task") {
                rested.push_back(process_pool::coir_from_a_task_after_pauses(8, k_pause, true));
                rested.push_back(process_pool::coir_from_a_task_after_pauses(8, k_pause, false));
            } else {
                rested.push_back(after_pauses(one, k_pause));
            }
        }
        compare({.title = "a job in a worker process and back, when all have gone to sleep, 8 bytes (medians)",
                 .unit = "us/job",
                 .scale = 1e-3,
                 .fixed_units = 30},
                rested,
                {{.subject = "coir, thread", .reference = "socket pair", .bound = 1.5},
                 {.subject = "coir, task", .reference = "socket pair", .bound = 1.5},
                 {.subject = "coir, task not alone", .reference = "socket pair", .bound = 1.5}});
    });
}
