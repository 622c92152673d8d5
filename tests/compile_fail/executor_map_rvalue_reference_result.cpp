// SPDX-License-Identifier: BSL-1.0
// expect: executor::map: the function returns an rvalue reference
#include <coir/executors/executor.hpp>

#include <vector>

struct point {
    int x;
};

void misuse(coir::executor& where, std::vector<point> const& points) {
    where.map(&point::x, points);
}
