// SPDX-License-Identifier: BSL-1.0
// expect: coir: items are objects
#include <coir/sync/queue.hpp>

void misuse() {
    coir::queue<void> queue;
}
