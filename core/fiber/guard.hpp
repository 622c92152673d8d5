// SPDX-License-Identifier: BSL-1.0
#pragma once

// The pages below a stack that must never be touched, and how the kernel is told so.

#include <cstddef>
#include <cstdint>
#include <span>

namespace coir::detail {

/// Ways to make pages inaccessible, best first.
enum class guard_kind : std::uint8_t {
    batched_markers,  ///< guard markers in the page table, many per system call (process_madvise; Linux 6.14)
    markers,          ///< guard markers, one per system call (MADV_GUARD_INSTALL; Linux 6.13)
    protection,       ///< mprotect: splits the mapping, so vm.max_map_count bounds how many there can be
};

/// The best way this kernel offers: tried out on a page of our own, once per process.
guard_kind best_guard_kind() noexcept;

struct guard_result {
    std::size_t installed;  ///< how many, from the front
    int error;              ///< errno of the one behind them; 0 when all were installed
};

/// Makes `bytes` (whole pages) at each of `lows` inaccessible, in order, and stops at the first that fails.
guard_result install_guards(std::span<std::byte* const> lows, std::size_t bytes, guard_kind kind) noexcept;

}  // namespace coir::detail
