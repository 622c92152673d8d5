// SPDX-License-Identifier: BSL-1.0
#pragma once

// Errors and their texts without a failure of their own. Nobody catches what a keeper thread throws, and a job has to get some
// outcome when there is no memory to say more.

#include <exception>
#include <initializer_list>
#include <new>
#include <string>
#include <string_view>

namespace coir::detail {

/// What `make()` returns, as an exception; std::bad_alloc if there is no memory for it.
template <class Make>
std::exception_ptr error_of(Make make) noexcept {
    try {
        return std::make_exception_ptr(make());
    } catch (std::bad_alloc const&) {
        return std::current_exception();
    }
}

/// Never empty. If there is no memory for it, it says so, which takes none.
inline std::string joined(std::initializer_list<std::string_view> parts) noexcept {
    try {
        std::string text;
        for (std::string_view const each : parts) {
            text += each;
        }
        return text;
    } catch (std::bad_alloc const&) {
        return "no memory";
    }
}

}  // namespace coir::detail
