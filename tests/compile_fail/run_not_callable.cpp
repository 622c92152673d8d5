// SPDX-License-Identifier: BSL-1.0
// expect: coir: what is to run must be callable with the arguments
#include <coir/core/sched/runtime.hpp>

int main() {
    return coir::run("main");
}
