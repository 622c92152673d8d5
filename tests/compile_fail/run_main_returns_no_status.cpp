// SPDX-License-Identifier: BSL-1.0
// expect: coir::run: what f returns is main()'s result: void, or what converts to int
#include <coir/core/sched/runtime.hpp>
#include <string>

int misuse(int argc, char** argv) {
    return coir::run(argc, argv, [] { return std::string("done"); });
}
