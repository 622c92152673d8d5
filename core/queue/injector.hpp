// SPDX-License-Identifier: BSL-1.0
#pragma once

// The global queue: what threads outside of the runtime spawn or wake, and what a worker hands to all of them.
//
// A singly linked FIFO list under a lock, with the size beside it for a look without the lock. It never allocates:
// the link is a member of the item (`Next`, by default T::queue_next), which belongs to the queue from push to pop.
//
// Invariants
//   1. head_ and the links are touched under lock_ only; size_ is written under it and read anywhere.
//   2. size_ is raised before the pusher's lock is released. A pusher that then goes through a full fence before it
//      looks for sleepers, and a worker that goes through one between announcing its sleep and reading empty(), cannot
//      miss each other (core/park/idle.hpp).
//
// Rejected: a lock-free MPMC queue. A push from outside is about to make a system call anyway, a batch is taken
// under one lock, and a list under a lock needs neither reclamation nor allocation.

#include <coir/core/base/atomic.hpp>
#include <coir/core/base/config.hpp>
#include <coir/core/base/lock.hpp>

#include <cstddef>
#include <mutex>

namespace coir::detail {

template <class T, T* T::*Next = &T::queue_next>
class injector {
public:
    injector() = default;
    injector(injector const&) = delete;
    injector& operator=(injector const&) = delete;

    /// Adds at the back. Any thread.
    void push(T* item) noexcept {
        item->*Next = nullptr;
        push_chain(item, item, 1);
    }

    /// Adds `count` items, linked from `first` to `last` by their Next, in that order. Any thread.
    void push_batch(T* first, T* last, std::size_t count) noexcept {
        last->*Next = nullptr;
        push_chain(first, last, count);
    }

    /// The oldest item, or null. Any thread; takes no lock when the queue looks empty.
    T* pop() noexcept {
        if (empty()) {
            return nullptr;
        }
        return detach(1).first;
    }

    /// Takes up to `max` of the oldest items, then calls sink(T*) for each, in order and without the lock. If sink
    /// throws, the item it was called with and those after it go back to the front. Returns how many were handed over.
    template <class Sink>
    std::size_t pop_batch(std::size_t max, Sink&& sink) {
        if (max == 0 || empty()) {
            return 0;
        }
        chain taken = detach(max);
        std::size_t handed_over = 0;
        try {
            while (taken.first != nullptr) {
                // Read first: the item is the sink's as soon as it has it.
                T* const next = taken.first->*Next;
                sink(taken.first);
                taken.first = next;
                ++handed_over;
            }
        } catch (...) {
            push_front(taken.first, taken.last, taken.count - handed_over);
            throw;
        }
        return handed_over;
    }

    /// Without the lock: true may be outdated, false too. Invariant 2 says who may rely on it.
    bool empty() const noexcept { return size() == 0; }
    std::size_t size() const noexcept { return size_.load(memory_order_relaxed); }

private:
    struct chain {
        T* first = nullptr;
        T* last = nullptr;
        std::size_t count = 0;
    };

    void push_chain(T* first, T* last, std::size_t count) noexcept {
        std::lock_guard const guard(lock_);
        if (first_ == nullptr) {
            first_ = first;
        } else {
            last_->*Next = first;
        }
        last_ = last;
        add_to_size(count);
    }

    void push_front(T* first, T* last, std::size_t count) noexcept {
        std::lock_guard const guard(lock_);
        last->*Next = first_;
        if (first_ == nullptr) {
            last_ = last;
        }
        first_ = first;
        add_to_size(count);
    }

    chain detach(std::size_t max) noexcept {
        std::lock_guard const guard(lock_);
        chain taken;
        if (first_ == nullptr) {
            return taken;
        }
        taken.first = first_;
        taken.last = first_;
        taken.count = 1;
        while (taken.count < max && taken.last->*Next != nullptr) {
            taken.last = taken.last->*Next;
            ++taken.count;
        }
        first_ = taken.last->*Next;
        if (first_ == nullptr) {
            last_ = nullptr;
        }
        taken.last->*Next = nullptr;
        add_to_size(std::size_t{0} - taken.count);
        return taken;
    }

    // Under the lock, so a load and a store are enough.
    void add_to_size(std::size_t count) noexcept {
        size_.store(size_.load(memory_order_relaxed) + count, memory_order_relaxed);
    }

    // Read by every worker that looks for work: not on the line that the lock bounces around.
    alignas(k_false_sharing_range) atomic<std::size_t> size_{0};

    alignas(k_false_sharing_range) spin_mutex lock_;
    T* first_ = nullptr;
    T* last_ = nullptr;
};

}  // namespace coir::detail
