// SPDX-License-Identifier: BSL-1.0
#include "library.hpp"

namespace coir::test {

int static_library_half(int x) {
    return x / 2;
}

}  // namespace coir::test
