// SPDX-License-Identifier: BSL-1.0
#include "core/sched/cores.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

#include <sched.h>

namespace coir::detail {
namespace {

// "<quota> <period>" or "max <period>" in a cgroup v2 directory; infinity when there is no limit or no file.
double quota_in(std::string const& directory) {
    std::ifstream file(directory + "/cpu.max");
    std::string quota;
    double period = 0;
    if (!(file >> quota >> period) || quota == "max" || period <= 0) {
        return std::numeric_limits<double>::infinity();
    }
    try {
        return std::stod(quota) / period;
    } catch (std::exception const&) {  // not a number: a format of tomorrow says nothing to us
        return std::numeric_limits<double>::infinity();
    }
}

// The tightest limit on the way from our own cgroup to the root.
double cgroup_quota() {
    std::ifstream file("/proc/self/cgroup");
    double tightest = std::numeric_limits<double>::infinity();
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("0::")) {
            continue;  // version 1 hierarchies
        }
        std::string path = line.substr(3);
        for (;;) {
            tightest = std::min(tightest, quota_in("/sys/fs/cgroup" + path));
            auto const slash = path.rfind('/');
            if (slash == std::string::npos || path.empty()) {
                break;
            }
            path.erase(slash);
        }
    }
    return tightest;
}

}  // namespace

std::vector<unsigned> allowed_cores() {
    std::vector<unsigned> cores;
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (::sched_getaffinity(0, sizeof mask, &mask) == 0) {
        for (unsigned core = 0; core < CPU_SETSIZE; ++core) {
            if (CPU_ISSET(core, &mask)) {
                cores.push_back(core);
            }
        }
    }
    return cores;
}

unsigned usable_core_count() {
    auto const mask_size = static_cast<unsigned>(allowed_cores().size());
    unsigned const cores = mask_size != 0 ? mask_size : std::max(1u, std::thread::hardware_concurrency());
    double const quota = std::ceil(cgroup_quota());
    return quota < cores ? std::max(1u, static_cast<unsigned>(quota)) : cores;
}

}  // namespace coir::detail
