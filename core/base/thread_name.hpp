// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string>

namespace coir::detail {

/// Names the calling thread "<prefix>-<number>", the prefix shortened to what the kernel keeps: the number tells threads
/// apart.
void name_this_thread(std::string prefix, std::uint64_t number);

}  // namespace coir::detail
