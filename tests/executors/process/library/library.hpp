// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace coir::test {

/// Set in the environment by the initializer in a library that has to be loaded.
inline constexpr char k_initialised_by_library[] = "COIR_TEST_INITIALISED_BY_LIBRARY";

/// Stands in a shared library.
int library_triple(int x);
/// Stands in a static one.
int static_library_half(int x);

}  // namespace coir::test
