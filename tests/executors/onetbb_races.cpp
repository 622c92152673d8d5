// SPDX-License-Identifier: BSL-1.0
//
// The system's libtbb is not instrumented, its headers are: ThreadSanitizer sees one half of what oneTBB does. Left out is
// what it reports of code in these headers; races of coir's own on oneTBB's threads are found as ever.

#include <coir/core/base/config.hpp>

#if COIR_TSAN
extern "C" char const* __tsan_default_suppressions();
extern "C" char const* __tsan_default_suppressions() {
    return "race_top:/oneapi/tbb/\n";
}
#endif
