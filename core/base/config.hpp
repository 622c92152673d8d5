// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the compiler and the build are, in the few macros that the rest of coir needs.

#include <cstddef>

// A function that the optimiser must treat as opaque: not inlined, not cloned, nothing learned about its body
// and so nothing about its result remembered across a suspension. Clang has no noipa: there the function needs an
// asm volatile with a memory clobber as well, which keeps it from being inferred pure.
#if defined(__clang__)
#define COIR_NOIPA __attribute__((noinline))
#elif defined(__GNUC__)
#define COIR_NOIPA __attribute__((noipa))
#else
#error "coir needs GCC or Clang"
#endif

#define COIR_NOINLINE __attribute__((noinline))
#define COIR_ALWAYS_INLINE __attribute__((always_inline)) inline
#define COIR_COLD __attribute__((cold, noinline))

#if defined(__SANITIZE_ADDRESS__)
#define COIR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COIR_ASAN 1
#endif
#endif
#ifndef COIR_ASAN
#define COIR_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define COIR_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COIR_TSAN 1
#endif
#endif
#ifndef COIR_TSAN
#define COIR_TSAN 0
#endif

namespace coir::detail {

// Two lines, because the adjacent-line prefetcher of x86-64 pulls pairs.
inline constexpr std::size_t k_false_sharing_range = 128;

/// Tells the processor that this is a spin loop.
COIR_ALWAYS_INLINE void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield" ::: "memory");
#endif
}

}  // namespace coir::detail
