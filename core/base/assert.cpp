// SPDX-License-Identifier: BSL-1.0
#include <coir/core/base/assert.hpp>

#include <cstdio>
#include <cstdlib>

#include <unistd.h>

namespace coir::detail {
namespace {

[[noreturn]] void say_and_abort(char const* text, int length, std::size_t room) noexcept {
    if (length > 0) {
        auto const wanted = static_cast<std::size_t>(length);
        [[maybe_unused]] auto const written = ::write(STDERR_FILENO, text, wanted < room ? wanted : room - 1);
    }
    std::abort();
}

}  // namespace

void invariant_failed(char const* what, char const* file, int line) noexcept {
    char text[512];
    int const length =
        std::snprintf(text, sizeof text, "coir: internal invariant failed: %s (%s:%d)\n", what, file, line);
    say_and_abort(text, length, sizeof text);
}

void end_misused(char const* what) noexcept {
    char text[512];
    say_and_abort(text, std::snprintf(text, sizeof text, "coir: %s\n", what), sizeof text);
}

}  // namespace coir::detail
