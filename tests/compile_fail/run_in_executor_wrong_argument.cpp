// SPDX-License-Identifier: BSL-1.0
// expect: coir: what is to run must be callable with the arguments
#include <coir/executors/run_in_executor.hpp>

void misuse() {
    coir::run_in_executor([](int) {}, "text");
}
