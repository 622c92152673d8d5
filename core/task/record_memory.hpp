// SPDX-License-Identifier: BSL-1.0
#pragma once

// The memory of tasks and futures: slots of a few sizes, cut from slabs that are never given back to the system.
//
// In front of each slot lies a header with the reference count. It outlives the object, so that somebody who finds a
// slot by walking the slabs (all_tasks) can tell a live record from a free one and take a reference without a lock:
// the count of a free slot is 0, and 0 is never raised by others than the next owner.
//
// Roles: workers allocate and free from a cache of their own (record_cache, single owner); the caches and all other
// threads exchange batches with a central list per size, under its lock.

#include <coir/core/base/atomic.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace coir::detail {

struct record_header {
    atomic<std::uint32_t> references{0};
    std::uint32_t size_class = 0;
    record_header* next_free = nullptr;
};

/// The largest record that fits a slot, in bytes. Who needs more keeps the rest elsewhere.
inline constexpr std::size_t k_largest_record = 1024 - sizeof(record_header);

/// The sizes of the slots, header included.
inline constexpr std::size_t k_slot_sizes[] = {128, 192, 256, 320, 448, 640, 1024};
inline constexpr std::size_t k_size_classes = std::size(k_slot_sizes);

/// The smallest class whose slots hold a record of `size` bytes, at most k_largest_record.
constexpr std::size_t size_class_for(std::size_t size) noexcept {
    std::size_t size_class = 0;
    while (k_slot_sizes[size_class] < size + sizeof(record_header)) {
        ++size_class;
    }
    return size_class;
}

/// Uninitialised memory for an object that fits a slot of this class, aligned to 16. Throws std::bad_alloc.
void* allocate_record(std::size_t size_class);
void free_record(void* record) noexcept;

inline record_header& header_of(void const* record) noexcept {
    return *(static_cast<record_header*>(const_cast<void*>(record)) - 1);
}

inline atomic<std::uint32_t>& record_references(void const* record) noexcept {
    return header_of(record).references;
}

/// Calls `visit(record, context)` for each slot that was live when it was looked at, with a reference taken for it,
/// which `visit` takes over.
void for_each_live_record(void (*visit)(void* record, void* context), void* context);

}  // namespace coir::detail
