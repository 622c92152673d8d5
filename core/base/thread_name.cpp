// SPDX-License-Identifier: BSL-1.0
#include "core/base/thread_name.hpp"

#include <algorithm>

#include <pthread.h>

namespace coir::detail {

void name_this_thread(std::string prefix, std::uint64_t number) {
    constexpr std::size_t k_longest = 15;
    std::string const digits = std::to_string(number);
    prefix.resize(std::min(prefix.size(), k_longest - std::min(k_longest, digits.size() + 1)));
    prefix.push_back('-');
    prefix.append(digits);
    ::pthread_setname_np(::pthread_self(), prefix.c_str());
}

}  // namespace coir::detail
