// SPDX-License-Identifier: BSL-1.0
#include <coir/core/sched/worker.hpp>

int main() {
    return 0;
}
