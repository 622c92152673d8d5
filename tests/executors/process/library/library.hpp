// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace coir::test {

/// Stands in a shared library.
int library_triple(int x);

}  // namespace coir::test
