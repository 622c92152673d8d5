// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string_view>

namespace coir::detail {

/// Names the calling thread "<prefix>-<number>", the prefix shortened to what the kernel keeps: the number tells threads
/// apart.
void name_this_thread(std::string_view prefix, std::uint64_t number) noexcept;
/// The same with a word for the number.
void name_this_thread(std::string_view prefix, std::string_view word) noexcept;

}  // namespace coir::detail
