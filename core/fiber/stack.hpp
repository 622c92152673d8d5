// SPDX-License-Identifier: BSL-1.0
#pragma once

// What a fiber runs on: a range of memory that grows downwards from top(), with a guard below base.

#include <cstddef>
#include <new>
#include <string_view>

namespace coir::detail {

class stack_pool;

/// The size of a stack nobody chose a size for. It is address space: only the pages that are touched cost memory.
inline constexpr std::size_t k_default_stack_size = std::size_t{256} * 1024;

/// One stack, as its pool handed it out: a handle without ownership, cheap to copy.
struct stack {
    std::byte* base = nullptr;   ///< lowest usable byte, right above the guard; page-aligned
    std::size_t size = 0;        ///< usable bytes; a multiple of 64, a little different from stack to stack
    stack_pool* pool = nullptr;  ///< where it goes back to

    std::byte* top() const noexcept { return base + size; }
    explicit operator bool() const noexcept { return base != nullptr; }
};

/// No stack could be had. what() names the limit that was hit, as far as it can be told, and how to raise it.
class stack_allocation_error : public std::bad_alloc {
public:
    explicit stack_allocation_error(std::string_view message) noexcept;
    char const* what() const noexcept override { return message_; }

private:
    char message_[384];  // in place: there is no memory to spare when this is thrown, and a copy must not throw
};

/// How deep the stack has ever been used, in bytes from its top, to the page: since it was mapped or last trimmed, so
/// by earlier owners too. Asks the kernel which pages exist (some microseconds), and so costs the fiber nothing.
/// Anybody may ask, also while the stack is in use.
std::size_t high_water_bytes(stack const& s);

}  // namespace coir::detail
