// SPDX-License-Identifier: BSL-1.0
#pragma once

// Pages of the process's own memory, as stacks are made of.

#include <coir/core/base/errno_of.hpp>

#include <cstddef>

namespace coir::detail {

/// The size of a page of this machine.
std::size_t page_size() noexcept;

/// `bytes` rounded up to pages.
std::size_t whole_pages(std::size_t bytes) noexcept;

/// Maps `bytes` of zeros, readable and writable, of which only what is touched will take memory. Null on error.
syscall_result<std::byte*> map_memory(std::size_t bytes) noexcept;

}  // namespace coir::detail
