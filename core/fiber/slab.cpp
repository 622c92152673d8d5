// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/slab.hpp"

#include "core/fiber/memory.hpp"
#include "core/fiber/stack.hpp"

#include <coir/core/base/config.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>

#include <sys/mman.h>
#include <sys/prctl.h>

#if COIR_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace coir::detail {
namespace {

// Fewer than these, a fiber has no room for a signal frame next to its own.
constexpr std::size_t k_smallest_stack_pages = 4;
constexpr std::size_t k_largest_stack = std::size_t{1} << 36;

// A sixteenth of the stack, within bounds. Wider guards catch larger frames of code that does not probe the stack page
// by page, and cost a few nanoseconds and eight bytes of page table each page. Bounds: guessed.
constexpr std::size_t k_guard_share = 16;
constexpr std::size_t k_fewest_guard_pages = 2;
constexpr std::size_t k_most_guard_pages = 16;

constinit std::atomic<slab*> all_slabs{nullptr};

}  // namespace

stack_geometry stack_geometry::for_size(std::size_t size) {
    if (size > k_largest_stack) {
        throw stack_allocation_error("coir: a stack of more than 64 GiB was asked for; choose a smaller stack_size");
    }
    std::size_t const page = page_size();
    std::size_t const wanted = size == 0 ? k_default_stack_size : size;
    std::size_t const pages = std::max(whole_pages(wanted) / page, k_smallest_stack_pages);
    std::size_t const guard = std::clamp(pages / k_guard_share, k_fewest_guard_pages, k_most_guard_pages);
    // Odd, so that the tops of the stacks spread over all sets of the TLB: at 64 pages from top to top they fight for a
    // few of them, and a switch among 64 to 512 stacks takes half as long again to twice as long. Measured: README.md.
    return {pages * page, (pages | 1) * page, guard * page};
}

slab* slab::map_new(stack_pool& owner, stack_geometry const& geometry, std::size_t count, int& error) {
    std::unique_ptr<slab> fresh(new slab(owner, geometry, count));
    error = fresh->map_again();
    if (error != 0) {
        return nullptr;
    }
    fresh->next_ = all_slabs.load(std::memory_order_relaxed);  // relaxed: the CAS below checks it
    // Release: a reader that finds the node finds its members. Partner: the acquire load in find().
    while (!all_slabs.compare_exchange_weak(fresh->next_, fresh.get(), std::memory_order_release,
                                            std::memory_order_relaxed)) {
    }
    return fresh.release();
}

int slab::map_again() noexcept {
    auto const memory = map_memory(bytes());
    if (!memory) {
        return memory.error;
    }
    // One huge page under a stack would cost 512 times what the stack needs. Only kernels without huge pages refuse.
    ::madvise(memory.value, bytes(), MADV_NOHUGEPAGE);
#ifdef PR_SET_VMA
    // For the reader of /proc/PID/maps; a kernel built without names refuses it.
    ::prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, memory.value, bytes(), "coir stacks");
#endif
    base_.store(memory.value, std::memory_order_release);  // partner: base()
    return 0;
}

bool slab::unmap() noexcept {
    std::byte* const memory = base();
#if COIR_ASAN
    __asan_unpoison_memory_region(memory, bytes());  // or whoever is mapped here next finds it poisoned
#endif
    base_.store(nullptr, std::memory_order_release);  // before the range can belong to somebody else
    if (::munmap(memory, bytes()) != 0) {
        base_.store(memory, std::memory_order_release);  // cutting a hole would have needed one mapping too many
        return false;
    }
    return true;
}

bool slab::contains(void const* address) const noexcept {
    auto const at = reinterpret_cast<std::uintptr_t>(address);
    auto const low = reinterpret_cast<std::uintptr_t>(base());
    return low != 0 && at >= low && at - low < bytes();
}

slab* slab::find(void const* address) noexcept {
    // Acquire: partner of the release CAS in map_new().
    for (slab* s = all_slabs.load(std::memory_order_acquire); s != nullptr; s = s->next_) {
        if (s->contains(address)) {
            return s;
        }
    }
    return nullptr;
}

}  // namespace coir::detail
