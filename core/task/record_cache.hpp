// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <coir/core/task/record_memory.hpp>

namespace coir::detail {

/// A worker's own stock of free slots. Single owner.
class record_cache {
public:
    record_cache() = default;
    record_cache(record_cache const&) = delete;
    record_cache& operator=(record_cache const&) = delete;
    /// Gives everything back to the central lists.
    ~record_cache();

    record_header* allocate(std::size_t size_class);
    void free(record_header* slot) noexcept;

private:
    struct list {
        record_header* first = nullptr;
        std::size_t count = 0;
    };

    void spill(std::size_t size_class, std::size_t count) noexcept;

    list lists_[k_size_classes];
};

/// As allocate_record(size_class), from this cache.
void* allocate_record(record_cache& cache, std::size_t size_class);

/// The cache of the worker on this thread, or null. Defined by core/sched.
record_cache* this_record_cache() noexcept;

}  // namespace coir::detail
