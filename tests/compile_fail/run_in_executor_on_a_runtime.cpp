// SPDX-License-Identifier: BSL-1.0
// expect: coir: what is to run must be callable with the arguments
#include <coir/core/sched/runtime.hpp>
#include <coir/executors/run_in_executor.hpp>

void misuse(coir::runtime& rt) {
    coir::run_in_executor(rt, [] {});
}
