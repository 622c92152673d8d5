// SPDX-License-Identifier: BSL-1.0
// expect: no member named
#include <coir/core/task/gather.hpp>
#include <vector>

void misuse(std::vector<coir::task<void>>& tasks) {
    for (auto& nothing : coir::gather(tasks)) {
        nothing.get();
    }
}
