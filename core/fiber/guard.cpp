// SPDX-License-Identifier: BSL-1.0
#include "core/fiber/guard.hpp"

#include "core/fiber/memory.hpp"

#include <coir/core/base/errno_of.hpp>

#include <algorithm>
#include <array>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace coir::detail {
namespace {

// Newer than the headers of the distributions we build on; fixed by the kernel's interface.
constexpr int k_madv_guard_install = 102;
constexpr int k_pidfd_self = -10001;

#ifdef SYS_process_madvise
constexpr long k_sys_process_madvise = SYS_process_madvise;
#else
constexpr long k_sys_process_madvise = 440;
#endif

// The kernel takes 1,024; the pool asks for fewer.
constexpr std::size_t k_guards_per_call = 32;

long madvise_own_ranges(::iovec const* ranges, std::size_t count, int advice) noexcept {
    return ::syscall(k_sys_process_madvise, k_pidfd_self, ranges, count, advice, 0U);
}

int install_one(std::byte* low, std::size_t bytes, guard_kind kind) noexcept {
    return kind == guard_kind::protection ? errno_of(::mprotect, low, bytes, PROT_NONE).error
                                          : errno_of(::madvise, low, bytes, k_madv_guard_install).error;
}

// How many guards one batched call installed, from the front. 0 says nothing about why: the caller then asks singly.
std::size_t install_batch(std::span<std::byte* const> lows, std::size_t bytes) noexcept {
    std::array<::iovec, k_guards_per_call> ranges;
    std::size_t const count = std::min(lows.size(), ranges.size());
    for (std::size_t i = 0; i < count; ++i) {
        ranges[i] = {lows[i], bytes};
    }
    auto const advised = errno_of(madvise_own_ranges, ranges.data(), count, k_madv_guard_install);
    return advised ? static_cast<std::size_t>(advised.value) / bytes : 0;
}

guard_kind probe() noexcept {
    std::size_t const page = page_size();
    std::byte* const low = map_memory(page).value;
    if (low == nullptr) {
        return guard_kind::protection;
    }
    auto kind = guard_kind::protection;
    if (install_batch({&low, 1}, page) == 1) {
        kind = guard_kind::batched_markers;
    } else if (install_one(low, page, guard_kind::markers) == 0) {
        kind = guard_kind::markers;
    }
    ::munmap(low, page);
    return kind;
}

}  // namespace

guard_kind best_guard_kind() noexcept {
    static guard_kind const kind = probe();
    return kind;
}

guard_result install_guards(std::span<std::byte* const> lows, std::size_t bytes, guard_kind kind) noexcept {
    std::size_t done = 0;
    while (done < lows.size()) {
        if (kind == guard_kind::batched_markers) {
            std::size_t const batch = install_batch(lows.subspan(done), bytes);
            done += batch;
            if (batch > 0) {
                continue;
            }
        }
        if (int const error = install_one(lows[done], bytes, kind); error != 0) {
            return {done, error};
        }
        ++done;
    }
    return {done, 0};
}

}  // namespace coir::detail
