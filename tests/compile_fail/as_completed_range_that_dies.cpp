// SPDX-License-Identifier: BSL-1.0
// expect: pass one that lives on, not a temporary
#include <coir/core/task/as_completed.hpp>
#include <vector>

std::vector<coir::task<int>> make();

void misuse() {
    for (auto& t : coir::as_completed(make())) {
        t.get();
    }
}
