// SPDX-License-Identifier: BSL-1.0
#include <coir/core/task/record_memory.hpp>

#include "core/base/fault.hpp"
#include "core/task/record_cache.hpp"

#include <coir/core/base/assert.hpp>
#include <coir/core/base/lock.hpp>

#include <mutex>
#include <new>
#include <utility>
#include <vector>

#if COIR_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace coir::detail {
namespace {

constexpr std::size_t k_slab_size = std::size_t{64} * 1024;

// A use of a record after its end is an error that AddressSanitizer shall see although the memory is ours.
void poison([[maybe_unused]] record_header* slot) noexcept {
#if COIR_ASAN
    __asan_poison_memory_region(slot + 1, k_slot_sizes[slot->size_class] - sizeof(record_header));
#endif
}

struct record_slab {
    std::byte* memory;
    std::size_t size_class;
};

// What all threads share.
class central {
public:
    // Takes up to `wanted` free slots, cutting a new slab if there are none.
    record_header* take(std::size_t size_class, std::size_t wanted) {
        COIR_FAULT_NO_MEMORY(record_memory);
        std::lock_guard const guard(lock_);
        if (free_[size_class] == nullptr) {
            cut_slab(size_class);
        }
        record_header* const first = free_[size_class];
        record_header* last = first;
        while (--wanted > 0 && last->next_free != nullptr) {
            last = last->next_free;
        }
        free_[size_class] = std::exchange(last->next_free, nullptr);
        return first;
    }

    void give_back(std::size_t size_class, record_header* first, record_header* last) noexcept {
        std::lock_guard const guard(lock_);
        last->next_free = free_[size_class];
        free_[size_class] = first;
    }

    // Slabs stay: their numbers do too. False: there are not so many.
    bool slab_at(std::size_t index, record_slab& out) noexcept {
        std::lock_guard const guard(lock_);
        if (index >= slabs_.size()) {
            return false;
        }
        out = slabs_[index];
        return true;
    }

private:
    void cut_slab(std::size_t size_class) {
        slabs_.reserve(slabs_.size() + 1);
        auto* const memory = static_cast<std::byte*>(::operator new (k_slab_size, std::align_val_t{64}));
        std::size_t const slot_size = k_slot_sizes[size_class];
        for (std::size_t offset = k_slab_size / slot_size * slot_size; offset != 0; offset -= slot_size) {
            auto* const slot = ::new (memory + offset - slot_size) record_header;
            slot->size_class = static_cast<std::uint32_t>(size_class);
            slot->next_free = free_[size_class];
            free_[size_class] = slot;
            poison(slot);
        }
        slabs_.push_back({memory, size_class});
    }

    spin_mutex lock_;
    record_header* free_[k_size_classes] = {};
    std::vector<record_slab> slabs_;
};

// Never destroyed: handles may be dropped by the destructors of static objects.
central& the_central() {
    static central& instance = *new central;
    return instance;
}

// Out of line, so that the way through the cache saves no registers for it.
COIR_NOINLINE void give_back_one(record_header* slot) noexcept {
    the_central().give_back(slot->size_class, slot, slot);
}

}  // namespace

#if COIR_ASAN
void unpoison(record_header* slot) noexcept {
    __asan_unpoison_memory_region(slot + 1, k_slot_sizes[slot->size_class] - sizeof(record_header));
}
#endif

void record_cache::fetch(std::size_t size_class) {
    list& free = lists_[size_class];
    free.first = the_central().take(size_class, k_batch);
    for (record_header const* slot = free.first; slot != nullptr; slot = slot->next_free) {
        ++free.count;
    }
}

void record_cache::spill(std::size_t size_class, std::size_t count) noexcept {
    list& free = lists_[size_class];
    record_header* const first = free.first;
    record_header* last = first;
    for (std::size_t i = 1; i < count; ++i) {
        last = last->next_free;
    }
    free.first = last->next_free;
    free.count -= count;
    the_central().give_back(size_class, first, last);
}

record_cache::~record_cache() {
    for (std::size_t size_class = 0; size_class < k_size_classes; ++size_class) {
        if (lists_[size_class].count != 0) {
            spill(size_class, lists_[size_class].count);
        }
    }
}

void* allocate_record(std::size_t size_class) {
    if (record_cache* const cache = this_record_cache()) {
        return allocate_record(*cache, size_class);
    }
    record_header* const slot = the_central().take(size_class, 1);
    unpoison(slot);
    return slot + 1;
}

void free_record(void* record) noexcept {
    record_cache* const cache = this_record_cache();
    record_header* const slot = &header_of(record);
    poison(slot);
    if (cache != nullptr) [[likely]] {
        cache->free(slot);
    } else {
        give_back_one(slot);
    }
}

void for_each_live_record(void (*visit)(void* record, void* context), void* context) {
    record_slab s{};
    for (std::size_t i = 0; the_central().slab_at(i, s); ++i) {
        std::size_t const slot_size = k_slot_sizes[s.size_class];
        for (std::size_t offset = 0; offset + slot_size <= k_slab_size; offset += slot_size) {
            auto* const slot = reinterpret_cast<record_header*>(s.memory + offset);
            // acquire: pairs with publish(): a count above 0 means that the object is there.
            std::uint32_t count = slot->references.load(memory_order_acquire);
            while (count != 0 && !slot->references.compare_exchange_weak(count, count + 1, memory_order_acquire)) {
            }
            if (count != 0) {
                visit(slot + 1, context);
            }
        }
    }
}

}  // namespace coir::detail
