// SPDX-License-Identifier: BSL-1.0
// expect: coir::fork_join: each argument must be callable without arguments
#include <coir/core/task/fork_join.hpp>

void misuse() {
    coir::fork_join([] {}, [](int) {});
}
