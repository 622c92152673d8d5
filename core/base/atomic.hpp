// SPDX-License-Identifier: BSL-1.0
#pragma once

// Atomics for code that is model-checked: std's, or Relacy's in a model (tests/model/relacy_atomic.hpp, which a model
// includes first and which defines the same names). Code that no model includes may use <atomic> directly.
//
// ThreadSanitizer does not model fences: it neither orders by them nor lets GCC compile them. So an algorithm that
// needs a full fence is written with the three helpers below, and under ThreadSanitizer the operations around the
// fence become stronger instead:
//
//   a.store(x, fenced(order)); full_fence(); b.load(fenced(order))
//       Without TSan: a seq_cst fence between two weak operations. With it: no fence, and seq_cst operations. Right
//       only if every operation whose order matters, on both sides of the handshake, goes through fenced().
//
//   load_after_full_fence(word)
//       For a handshake in which what comes before the fence is out of reach (a push into whatever queue). Without
//       TSan: a fence and a relaxed load. With it: an addition of 0, which both sides do to the same word: whoever
//       comes second has everything that the first had done before.

#ifndef COIR_MODEL

#include <coir/core/base/config.hpp>

#include <atomic>

// COIR_MODEL_WEAKEN(name, right, wrong) is `right` everywhere but in a model whose wrong variant is `name`: that one
// gets `wrong` (a weaker ordering, a condition that never holds), and the model checker must notice.
#define COIR_MODEL_WEAKEN(name, right, wrong) (right)

namespace coir::detail {

template <class T>
using atomic = std::atomic<T>;

using std::atomic_thread_fence;
using std::memory_order;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;

#if COIR_TSAN

constexpr memory_order fenced(memory_order) noexcept {
    return memory_order_seq_cst;
}

inline void full_fence(memory_order = memory_order_seq_cst) noexcept {}

template <class T>
T load_after_full_fence(atomic<T>& word, memory_order = memory_order_seq_cst) noexcept {
    return word.fetch_add(0, memory_order_seq_cst);
}

#else

constexpr memory_order fenced(memory_order order) noexcept {
    return order;
}

/// A seq_cst fence; the argument is for models, which weaken it.
COIR_ALWAYS_INLINE void full_fence(memory_order = memory_order_seq_cst) noexcept {
#if defined(__x86_64__) && defined(__clang__)
    // What GCC makes of a seq_cst fence. Clang makes it an mfence, which does more than order memory accesses and took
    // 40 ns instead of 4 (measured: a loop over a fence and a load, Xeon, Clang 14).
    asm volatile("lock; orq $0, (%%rsp)" ::: "memory", "cc");
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

template <class T>
COIR_ALWAYS_INLINE T load_after_full_fence(atomic<T>& word, memory_order = memory_order_seq_cst) noexcept {
    full_fence();
    return word.load(memory_order_relaxed);
}

#endif

}  // namespace coir::detail

#elif !defined(COIR_MODEL_ATOMIC)
#error "a model includes tests/model/relacy_atomic.hpp before anything of coir"
#endif
