// SPDX-License-Identifier: BSL-1.0
// expect: coir: the ends of a parallel loop must be two integers, or two random-access iterators
#include <coir/core/task/fork_join.hpp>
#include <list>

void misuse(std::list<int>& items) {
    coir::parallel_for(items.begin(), items.end(), 1, [](auto) {});
}
