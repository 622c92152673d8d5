// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace coir::test {

/// Stands in a shared library.
int library_triple(int x);
/// Stands in a static one.
int static_library_half(int x);

}  // namespace coir::test
