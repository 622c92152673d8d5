// SPDX-License-Identifier: BSL-1.0
#include <coir/coir.hpp>
#include <coir/compute.hpp>

#include <tbb/blocked_range.h>
#include <tbb/parallel_reduce.h>

#include <functional>

int main() {
    return coir::run([] {
        coir::compute_executor compute;
        auto sum = compute.submit([] {
            return tbb::parallel_reduce(
                tbb::blocked_range<int>(0, 100), 0,
                [](tbb::blocked_range<int> const& part, int sum_so_far) {
                    for (int i = part.begin(); i != part.end(); ++i) {
                        sum_so_far += i;
                    }
                    return sum_so_far;
                },
                std::plus<>());
        });
        return sum.get() == 4950 ? 0 : 1;
    });
}
