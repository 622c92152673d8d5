// SPDX-License-Identifier: BSL-1.0
// expect: coir: what is to run must be callable with the arguments
#include <coir/core/sched/runtime.hpp>

void misuse(coir::runtime& rt, coir::task<int> t) {
    rt.block_on(std::move(t));
}
