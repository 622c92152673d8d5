// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/assert.hpp>

#include <cstdio>
#include <cstdlib>

#include <unistd.h>

namespace coir::detail {

void invariant_failed(char const* what, char const* file, int line) noexcept {
    char text[512];
    int const length =
        std::snprintf(text, sizeof text, "coir: internal invariant failed: %s (%s:%d)\n", what, file, line);
    if (length > 0) {
        [[maybe_unused]] auto const written = ::write(
            STDERR_FILENO, text,
            static_cast<std::size_t>(length) < sizeof text ? static_cast<std::size_t>(length) : sizeof text - 1);
    }
    std::abort();
}

}  // namespace coir::detail
