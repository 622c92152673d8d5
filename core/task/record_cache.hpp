// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <coir/core/base/config.hpp>
#include <coir/core/base/tls.hpp>
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

    /// Without asking the central list?
    bool has(std::size_t size_class) const noexcept { return lists_[size_class].first != nullptr; }
    /// Sees to it that has(). Throws std::bad_alloc.
    void stock(std::size_t size_class) {
        if (!has(size_class)) [[unlikely]] {
            fetch(size_class);
        }
    }

    record_header* allocate(std::size_t size_class) {
        stock(size_class);
        list& free = lists_[size_class];
        record_header* const slot = free.first;
        free.first = slot->next_free;
        --free.count;
        return slot;
    }
    void free(record_header* slot) noexcept {
        list& free = lists_[slot->size_class];
        slot->next_free = free.first;
        free.first = slot;
        if (++free.count > k_most) [[unlikely]] {
            spill(slot->size_class, k_batch);
        }
    }

private:
    // Guessed: large enough that the central lock is rare, small enough that a worker hoards little.
    static constexpr std::size_t k_batch = 64;
    // A worker keeps so many free slots of a size. A batch of 1,000 tasks, started and joined, then passes nothing through
    // the central list, whose chains are walked link by link, each a cache miss (measured: bench/spawn_join).
    static constexpr std::size_t k_most = 32 * k_batch;

    struct list {
        record_header* first = nullptr;
        std::size_t count = 0;
    };

    COIR_COLD void fetch(std::size_t size_class);
    COIR_NOINLINE void spill(std::size_t size_class, std::size_t count) noexcept;

    list lists_[k_size_classes];
};

#if COIR_ASAN
void unpoison(record_header* slot) noexcept;
#else
inline void unpoison(record_header*) noexcept {}
#endif

/// As allocate_record(size_class), from this cache.
inline void* allocate_record(record_cache& cache, std::size_t size_class) {
    record_header* const slot = cache.allocate(size_class);
    unpoison(slot);
    return slot + 1;
}

}  // namespace coir::detail
