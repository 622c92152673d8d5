// SPDX-License-Identifier: BSL-1.0
#include "core/base/thread_name.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <pthread.h>

namespace coir::detail {

void name_this_thread(std::string_view prefix, std::uint64_t number) noexcept {
    char digits[20];
    auto const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    name_this_thread(prefix, std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

// By threads that nobody could tell of a failure: so nothing is allocated.
void name_this_thread(std::string_view prefix, std::string_view word) noexcept {
    constexpr std::size_t k_longest = 15;
    char name[k_longest + 1] = {};
    std::string_view const kept = prefix.substr(0, k_longest - std::min(k_longest, word.size() + 1));
    std::size_t length = kept.copy(name, kept.size());
    name[length++] = '-';
    word.copy(name + length, k_longest - length);
    ::pthread_setname_np(::pthread_self(), name);
}

}  // namespace coir::detail
