// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/stack.hpp"

#include "core/fiber/memory.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace coir::detail {
namespace {

constexpr std::size_t k_pages_per_look = 128;

// Bits of an entry of /proc/self/pagemap. A page that was swapped out has been used as much as one that is present.
constexpr std::uint64_t k_pagemap_present = std::uint64_t{1} << 63;
constexpr std::uint64_t k_pagemap_swapped = std::uint64_t{1} << 62;

constexpr std::size_t k_unknown = static_cast<std::size_t>(-1);

template <class Entry>
std::size_t first_touched(std::span<Entry> pages, Entry touched) {
    auto const found = std::find_if(pages.begin(), pages.end(), [=](Entry page) { return (page & touched) != 0; });
    return static_cast<std::size_t>(found - pages.begin());
}

// Bytes from `base` up to the first page that was ever touched; k_unknown if pagemap is not there to be read.
std::size_t untouched_by_pagemap(std::byte* base, std::size_t bytes) {
    int const pagemap = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap < 0) {
        return k_unknown;
    }
    std::size_t const page = page_size();
    std::size_t const pages = bytes / page;
    std::array<std::uint64_t, k_pages_per_look> entries;
    std::size_t result = bytes;
    for (std::size_t first = 0; first < pages; first += entries.size()) {
        std::size_t const count = std::min(entries.size(), pages - first);
        auto const offset = (reinterpret_cast<std::uintptr_t>(base) / page + first) * sizeof entries[0];
        auto const got = ::pread(pagemap, entries.data(), count * sizeof entries[0], static_cast<::off_t>(offset));
        if (got != static_cast<::ssize_t>(count * sizeof entries[0])) {
            result = k_unknown;
            break;
        }
        std::size_t const touched =
            first_touched(std::span(entries).first(count), k_pagemap_present | k_pagemap_swapped);
        if (touched < count) {
            result = (first + touched) * page;
            break;
        }
    }
    ::close(pagemap);
    return result;
}

// Where /proc is missing or closed to us. mincore does not count pages that were swapped out.
std::size_t untouched_by_mincore(std::byte* base, std::size_t bytes) {
    std::size_t const page = page_size();
    std::size_t const pages = bytes / page;
    std::array<std::uint8_t, k_pages_per_look> resident;
    for (std::size_t first = 0; first < pages; first += resident.size()) {
        std::size_t const count = std::min(resident.size(), pages - first);
        if (::mincore(base + first * page, count * page, resident.data()) != 0) {
            return 0;  // unknown: claim the whole stack rather than none of it
        }
        std::size_t const touched = first_touched(std::span(resident).first(count), std::uint8_t{1});
        if (touched < count) {
            return (first + touched) * page;
        }
    }
    return bytes;
}

}  // namespace

stack_allocation_error::stack_allocation_error(std::string_view message) noexcept {
    auto const length = std::min(message.size(), sizeof message_ - 1);
    std::memcpy(message_, message.data(), length);
    message_[length] = '\0';
}

std::size_t high_water_bytes(stack const& s) {
    std::size_t const paged = whole_pages(s.size);  // the colour leaves a little of the top page out
    std::size_t untouched = untouched_by_pagemap(s.base, paged);
    if (untouched == k_unknown) {
        untouched = untouched_by_mincore(s.base, paged);
    }
    return untouched >= s.size ? 0 : s.size - untouched;
}

}  // namespace coir::detail
