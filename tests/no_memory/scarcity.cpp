// SPDX-License-Identifier: BSL-1.0
#include "tests/no_memory/scarcity.hpp"

#include <coir/core/base/config.hpp>

#include <atomic>
#include <cstddef>
#include <cstdlib>

namespace {

constexpr long k_unlimited = 1L << 60;
std::atomic<long> allocations_left{k_unlimited};
std::atomic<bool> only_one_fails{false};
std::atomic<long> refusals{0};

bool is_refused() noexcept {
    if (allocations_left.load(std::memory_order_relaxed) > k_unlimited / 2) {
        return false;
    }
    long const left = allocations_left.fetch_sub(1, std::memory_order_relaxed);
    if (left > 0 || (left < 0 && only_one_fails.load(std::memory_order_relaxed))) {
        return false;
    }
    refusals.fetch_add(1, std::memory_order_relaxed);
    return true;
}

void* allocate(std::size_t size, std::size_t alignment) {
    void* const memory =
        is_refused() ? nullptr : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

}  // namespace

// Not in line: the compiler would take the one for a mismatch of the other.
COIR_NOINLINE void* operator new(std::size_t size) {
    return allocate(size == 0 ? 1 : size, alignof(std::max_align_t));
}
COIR_NOINLINE void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size == 0 ? 1 : size, static_cast<std::size_t>(alignment));
}
COIR_NOINLINE void operator delete(void* memory) noexcept {
    std::free(memory);
}
COIR_NOINLINE void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
COIR_NOINLINE void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
COIR_NOINLINE void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace coir {

scarcity::scarcity(long spared, bool only_one) noexcept {
    refusals = 0;
    only_one_fails = only_one;
    allocations_left = spared;
}

void scarcity::end() noexcept {
    allocations_left = k_unlimited;
}

long scarcity::refused() noexcept {
    return refusals;
}

}  // namespace coir
