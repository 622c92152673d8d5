// SPDX-License-Identifier: BSL-1.0
#include "core/base/thread_name.hpp"

#include <algorithm>
#include <utility>

#include <pthread.h>

namespace coir::detail {

void name_this_thread(std::string prefix, std::uint64_t number) {
    name_this_thread(std::move(prefix), std::to_string(number));
}

void name_this_thread(std::string prefix, std::string_view word) {
    constexpr std::size_t k_longest = 15;
    prefix.resize(std::min(prefix.size(), k_longest - std::min(k_longest, word.size() + 1)));
    prefix.push_back('-');
    prefix.append(word);
    ::pthread_setname_np(::pthread_self(), prefix.c_str());
}

}  // namespace coir::detail
