// SPDX-License-Identifier: BSL-1.0
#include "library.hpp"

namespace coir::test {

int library_triple(int x) {
    return 3 * x;
}

}  // namespace coir::test
