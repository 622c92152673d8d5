// SPDX-License-Identifier: BSL-1.0
#include "bench/process_pool/process_pool.hpp"

#include <coir/core/sched/runtime.hpp>

#include <string>
#include <utility>
#include <vector>

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
                    competitors, {});
        }
    });
}
