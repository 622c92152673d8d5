// SPDX-License-Identifier: BSL-1.0
// expect: deleted function
#include <coir/core/task/shield.hpp>

coir::task<int> make();

void misuse() {
    coir::shield(make());
}
