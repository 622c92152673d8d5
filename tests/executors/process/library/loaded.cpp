// SPDX-License-Identifier: BSL-1.0
//
// A library that nothing is linked to: who wants it loads it.
#include "library.hpp"

#include <cstdlib>

extern "C" void coir_test_initialise() {
    ::setenv(coir::test::k_initialised_by_library, "1", 1);
}
