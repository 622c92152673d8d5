// SPDX-License-Identifier: BSL-1.0
// expect: coir: items are objects
#include <coir/sync/channel.hpp>

void misuse() {
    coir::channel<int&> channel(1);
}
