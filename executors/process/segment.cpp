// SPDX-License-Identifier: BSL-1.0
#include "executors/process/segment_impl.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>

namespace coir::detail {
namespace {

constexpr std::size_t k_smallest = 64 * 1024;
// Guessed: a larger one is worth its page faults to whoever can do without the memory in between.
constexpr std::size_t k_largest_kept = std::size_t{64} << 20;
constexpr std::size_t k_most_kept_bytes = std::size_t{256} << 20;

}  // namespace

segment::segment(std::uint64_t id, std::size_t capacity, bool kept) : id_(id), capacity_(capacity), kept_(kept) {
    owned_descriptor const whole(::memfd_create("coir-arguments", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!whole) {
        throw_errno("coir::process_pool_executor: memfd_create");
    }
    if (::ftruncate(whole.get(), static_cast<off_t>(capacity)) != 0 ||
        ::fcntl(whole.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        throw_errno("coir::process_pool_executor: the size of shared memory");
    }
    char path[32];
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", whole.get());
    read_only_ = owned_descriptor(::open(path, O_RDONLY | O_CLOEXEC));
    if (!read_only_) {
        throw_errno("coir::process_pool_executor: shared memory, for reading only");
    }
    void* const address = ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, whole.get(), 0);
    if (address == MAP_FAILED) {
        throw_errno("coir::process_pool_executor: mmap of shared memory");
    }
    address_ = address;
}

segment::~segment() {
    if (address_ != nullptr) {
        ::munmap(address_, capacity_);
    }
}

std::shared_ptr<segment> segment_pool::lease(std::size_t size) {
    std::size_t const capacity = std::max(k_smallest, std::bit_ceil(size));
    std::unique_ptr<segment> found;
    std::uint64_t id = 0;
    bool keep = false;
    {
        std::lock_guard const guard(lock_);
        auto const it = std::find_if(free_.rbegin(), free_.rend(),
                                     [capacity](auto const& each) { return each->capacity() == capacity; });
        if (it != free_.rend()) {
            found = std::move(*it);
            free_.erase(std::next(it).base());
        } else {
            id = next_id_++;
            keep = capacity <= k_largest_kept && kept_bytes_ + capacity <= k_most_kept_bytes;
            if (keep) {
                free_.reserve(kept_count_ + 1);  // so that giving it back cannot fail
                ++kept_count_;
                kept_bytes_ += capacity;
            }
        }
    }
    if (!found) {
        try {
            found = std::make_unique<segment>(id, capacity, keep);
        } catch (...) {
            if (keep) {
                std::lock_guard const guard(lock_);
                --kept_count_;
                kept_bytes_ -= capacity;
            }
            throw;
        }
    }
    // If there is no memory for the pointer's count, its deleter runs all the same.
    return std::shared_ptr<segment>(found.release(), [home = shared_from_this()](segment* used) {
        home->give_back(std::unique_ptr<segment>(used));
    });
}

void segment_pool::give_back(std::unique_ptr<segment> used) noexcept {
    if (used->is_kept()) {
        std::lock_guard const guard(lock_);
        free_.push_back(std::move(used));
    }
}

}  // namespace coir::detail
