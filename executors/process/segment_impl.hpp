// SPDX-License-Identifier: BSL-1.0
#pragma once

// Shared memory for large arguments: memfds that the pool writes and workers read.
//
// A worker gets a descriptor that can only be read, and the size of the file is sealed: it can neither change what
// others read nor make the pool's accesses fault. The pool never reads from a segment. Where in it an argument
// lies stands in the message, not in the segment.

#include "executors/process/descriptor_impl.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace coir::detail {

class segment {
public:
    /// Throws std::system_error.
    segment(std::uint64_t id, std::size_t capacity, bool kept);
    segment(segment const&) = delete;
    segment& operator=(segment const&) = delete;
    ~segment();

    std::uint64_t id() const noexcept { return id_; }
    std::size_t capacity() const noexcept { return capacity_; }
    /// Will it be used again, for as long as the pool lives? Workers keep their mappings of those.
    bool is_kept() const noexcept { return kept_; }
    /// For workers: cannot be written.
    int descriptor() const noexcept { return read_only_.get(); }
    std::span<std::byte> bytes() noexcept { return {static_cast<std::byte*>(address_), capacity_}; }

private:
    std::uint64_t const id_;
    std::size_t const capacity_;
    bool const kept_;
    owned_descriptor read_only_;
    void* address_ = nullptr;
};

/// Segments that are used again: their pages exist already, and the workers have them mapped.
class segment_pool : public std::enable_shared_from_this<segment_pool> {
public:
    /// A segment of at least `size` bytes, nobody else's until the last copy of the pointer goes. Throws
    /// std::system_error, std::bad_alloc.
    std::shared_ptr<segment> lease(std::size_t size);

private:
    void give_back(std::unique_ptr<segment> used) noexcept;

    std::mutex lock_;  // guards:
    std::vector<std::unique_ptr<segment>> free_;
    std::size_t kept_bytes_ = 0;  // of all kept segments that exist, free or not
    std::size_t kept_count_ = 0;
    std::uint64_t next_id_ = 1;
};

}  // namespace coir::detail
